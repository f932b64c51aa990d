//! The two forms of a split file.

use std::io::Read;
use std::path::Path;

use plain_json::JsonReader;
use repo_core::{CollectionSchema, Document, FieldPath, Result, Value};

/// How a data file nests its entities. The form found is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `{"machines": {"m-1": {…}}, "requests": {…}}`: all collections.
    Single,
    /// `{"m-1": {…}}`: the entities of one collection.
    Plain,
    /// `{"machines": {"m-1": {…}}}`: the same within the collection's name.
    Wrapped,
}

impl Form {
    /// The number by which it is written.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Single => 0,
            Self::Plain => 1,
            Self::Wrapped => 2,
        }
    }

    /// From the number by which it is written.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Single, Self::Plain, Self::Wrapped].into_iter().find(|form| form.code() == code)
    }

    /// The form of a split file: wrapped when its first key is the
    /// collection's name and the value is not itself an entity. A malformed
    /// file gets the form that it begins with; reading it then says where it
    /// is broken.
    pub(super) fn detect(
        file: impl Read,
        path: &Path,
        schema: &CollectionSchema,
        longest: usize,
    ) -> Result<Self> {
        let mut source = JsonReader::new(file, path, longest);
        let name = schema.collection.as_str();
        source.skip_space()?;
        if source.peek()? != Some(b'{') || !source.enter_object()? || source.key()?.0 != name {
            return Ok(Self::Plain);
        }
        if source.peek()? != Some(b'{') {
            return Ok(Self::Plain);
        }
        Ok(if is_entity(&mut source, name, &schema.id_field)? {
            Self::Plain
        } else {
            Self::Wrapped
        })
    }
}

/// Whether the object that begins here is an entity with this id, and not a
/// map of entities.
fn is_entity<R: Read>(
    source: &mut JsonReader<'_, R>,
    id: &str,
    id_field: &FieldPath,
) -> Result<bool> {
    if !source.enter_object()? {
        return Ok(false);
    }
    let mut only_objects = true;
    loop {
        let (key, _) = source.key()?;
        let first = source.peek()?;
        let raw = source.keep(JsonReader::skip_value)?;
        let text = std::str::from_utf8(raw).unwrap_or_default();
        if *key == id_field.steps()[0] && first == Some(b'"') {
            return Ok(matches!(Value::parse(text), Ok(Value::String(found)) if found == id));
        }
        if first == Some(b'{') {
            let inner = Document::read(text).ok().and_then(|document| document.get(id_field));
            if matches!(inner, Some(Value::String(found)) if found == key) {
                return Ok(false);
            }
        }
        only_objects &= first == Some(b'{');
        if !source.next_member()? {
            return Ok(!only_objects);
        }
    }
}
