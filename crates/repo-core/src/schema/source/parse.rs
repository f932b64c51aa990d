//! Reading `x-repository.source`.

use std::collections::{BTreeMap, BTreeSet};

use super::pattern::FilePattern;
use super::pointer::{EntryPointer, EntryStep};
use super::refusal::refuse;
use super::spec::{ChildSource, FileSource, OnDuplicate, SourceEntries, SourceId};
use crate::schema::fields::{Fields, exact, list, suggest, text};
use crate::strategy::RESERVED_KEYS;
use crate::{CollectionName, Error, FieldPath, Result, Value};

/// The place of the block in the file.
const PLACE: &str = "/x-repository/source";

/// What says which files.
const OF_FILES: [&str; 3] = ["file", "optional", "lock"];
/// What says which entities are in them.
const OF_ENTRIES: [&str; 9] = [
    "pointer",
    "idField",
    "idFromKey",
    "shared",
    "valueField",
    "rename",
    "constant",
    "onDuplicate",
    "children",
];
/// What says which fields of the entity around it a child gets.
const COPY: &str = "copy";

/// The words of `onDuplicate`.
const ON_DUPLICATE: [&str; 2] = ["refuse", "last"];

/// The sources that the text of a schema file declares: one, or a list of them.
pub(in crate::schema) fn declared(schema: &str) -> Result<Vec<FileSource>> {
    let Some(value) = exact(refuse, schema, "source", PLACE)? else { return Ok(Vec::new()) };
    let sources = match value {
        Value::Array(_) => list(refuse, value, PLACE)?,
        one => vec![(PLACE.to_owned(), one)],
    };
    if sources.is_empty() {
        return Err(refuse("a list of sources holds at least one").with("pointer", PLACE));
    }
    sources.into_iter().map(|(place, value)| source(value, &place)).collect()
}

fn source(value: Value, place: &str) -> Result<FileSource> {
    let known: Vec<&str> = OF_FILES.into_iter().chain(OF_ENTRIES).collect();
    let mut fields = Fields::of(refuse, value, place, &known)?;
    let (file, file_place) = fields.text("file")?;
    let file = FilePattern::parse(&file).map_err(|error| error.with("pointer", file_place))?;
    let optional = fields.truth("optional")?;
    let lock = fields.text_if_there("lock")?.map(lock).transpose()?;
    let entries = entries(&mut fields).map_err(|error| within(error, place))?;
    Ok(FileSource { file, optional, lock, entries })
}

/// The name of a lock file, which is beside the file itself.
fn lock((name, place): (String, String)) -> Result<String> {
    let wrong = name.is_empty() || name.contains(['/', '\\', '\0']) || name == "{file}";
    if wrong {
        let why = "a lock is another file beside the file, such as .{file}.lock";
        return Err(refuse(why).with("pointer", place).with("lock", format!("{name:?}")));
    }
    Ok(name)
}

fn entries(fields: &mut Fields) -> Result<SourceEntries> {
    let (pointer, place) = fields.text("pointer")?;
    let pointer = EntryPointer::parse(&pointer).map_err(|error| error.with("pointer", place))?;
    Ok(SourceEntries {
        pointer,
        id: id(fields)?,
        value_field: fields.text_if_there("valueField")?.map(field).transpose()?,
        rename: names(fields, "rename")?,
        constant: constants(fields)?,
        on_duplicate: on_duplicate(fields)?,
        children: children(fields)?,
    })
}

fn id(fields: &mut Fields) -> Result<SourceId> {
    let named = fields.text_if_there("idField")?;
    let (from_key, shared) = (fields.truth("idFromKey")?, fields.truth("shared")?);
    match (named, from_key, shared) {
        (None, false, false) => Ok(SourceId::OwnField),
        (Some((name, place)), false, false) => {
            if name.is_empty() {
                return Err(refuse("the name of a field is not empty").with("pointer", place));
            }
            Ok(SourceId::Field(name))
        }
        (None, true, false) => Ok(SourceId::Key),
        (None, true, true) => Ok(SourceId::SharedKey),
        (Some((_, place)), true, _) => {
            Err(refuse("an id is a field or the key, not both").with("pointer", place))
        }
        (_, false, true) => {
            Err(refuse("what collections share is told apart by keys: shared needs idFromKey"))
        }
    }
}

/// A field that entities get.
fn field((name, place): (String, String)) -> Result<String> {
    if name.is_empty() || RESERVED_KEYS.contains(&name.as_str()) {
        let why = "no document can have a field of this name";
        return Err(refuse(why).with("pointer", place).with("field", format!("{name:?}")));
    }
    Ok(name)
}

/// Fields and what they are called afterwards, each by its own name.
fn names(fields: &mut Fields, key: &str) -> Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    let mut targets = BTreeSet::new();
    for (from, to, place) in fields.map(key)? {
        let to = field((text(refuse, to, &place)?, place.clone()))?;
        if !targets.insert(to.clone()) {
            return Err(refuse("two fields get one name").with("pointer", place).with("field", to));
        }
        names.insert(from, to);
    }
    Ok(names)
}

fn constants(fields: &mut Fields) -> Result<BTreeMap<String, Value>> {
    let constants = fields.map("constant")?.into_iter();
    constants.map(|(name, value, place)| Ok((field((name, place))?, value))).collect()
}

fn on_duplicate(fields: &mut Fields) -> Result<OnDuplicate> {
    let Some((value, place)) = fields.take_if_there("onDuplicate") else {
        return Ok(OnDuplicate::default());
    };
    let word = match value {
        Value::String(word) => word,
        newest => return by_newest(newest, &place),
    };
    match word.as_str() {
        "refuse" => Ok(OnDuplicate::Refuse),
        "last" => Ok(OnDuplicate::Last),
        _ => {
            let error = refuse("no such way to treat an id that stands twice")
                .with("pointer", place)
                .with("given", &word)
                .hint("refuse, last, or {\"newest\": [\"updated_at\"]}");
            Err(suggest(error, &word, &ON_DUPLICATE))
        }
    }
}

fn by_newest(value: Value, place: &str) -> Result<OnDuplicate> {
    let mut fields = Fields::of(refuse, value, place, &["newest"])?;
    let (names, place) = fields.take("newest")?;
    let names = list(refuse, names, &place)?
        .into_iter()
        .map(|(place, name)| {
            FieldPath::parse(&text(refuse, name, &place)?)
                .map_err(|error| refuse(error.message()).with("pointer", place))
        })
        .collect::<Result<Vec<FieldPath>>>()?;
    if names.is_empty() {
        return Err(refuse("newest names at least one field").with("pointer", place));
    }
    Ok(OnDuplicate::Newest(names))
}

fn children(fields: &mut Fields) -> Result<Vec<ChildSource>> {
    let children = fields.map("children")?.into_iter();
    children.map(|(name, value, place)| child(&name, value, &place)).collect()
}

fn child(name: &str, value: Value, place: &str) -> Result<ChildSource> {
    let collection = CollectionName::new(name)
        .map_err(|error| refuse(error.message()).with("pointer", place).with("name", name))?;
    let known: Vec<&str> = OF_ENTRIES.into_iter().chain([COPY]).collect();
    let mut fields = Fields::of(refuse, value, place, &known)?;
    let copy = names(&mut fields, COPY)?;
    let entries = entries(&mut fields).map_err(|error| within(error, place))?;
    check_nested(&entries.pointer).map_err(|error| error.with("pointer", place))?;
    Ok(ChildSource { collection, copy, entries })
}

/// What lies between an entity and the list of its children would be lost.
fn check_nested(pointer: &EntryPointer) -> Result<()> {
    let lists = pointer.steps().iter().filter(|step| **step == EntryStep::Each).count();
    if lists == 1 && pointer.steps().len() > 1 {
        return Ok(());
    }
    let why = "the children of an entity are the entries of one of its fields: name/*";
    Err(refuse(why)
        .with("entries", pointer)
        .hint("entities within children are the children of those"))
}

/// Says of which child an error is that names no place of its own.
fn within(error: Error, place: &str) -> Error {
    match error.context_value("pointer") {
        Some(_) => error,
        None => error.with("pointer", place),
    }
}
