//! Records as lines of text, one JSON object each: what `export` writes,
//! `import` reads, and archives hold.
//!
//! A live entity is its document with `_version`, `_created_at` and
//! `_updated_at` added. A tombstone is its id field with `_version`,
//! `_updated_at` (when it was deleted) and `"_deleted": true`. The document's
//! own text is embedded and taken out again as it is, so that no number and
//! no string changes on the way.

mod split;

use std::borrow::Cow;
use std::io::Write as _;

use repo_core::strategy::{Record, Tombstone};
use repo_core::{
    CollectionSchema, Document, Entity, EntityId, Error, ErrorKind, Result, SyntaxError, Timestamp,
    Value, Version,
};

/// What one line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A record with its version: to be applied as it is.
    Record(Record),
    /// A document without `_version`: to be saved.
    Document {
        /// Its id.
        id: EntityId,
        /// The document.
        document: Document,
    },
}

/// Appends a record as one line, its line feed included.
pub fn write(record: &Record, schema: &CollectionSchema, out: &mut Vec<u8>) {
    // Writing into a vector cannot fail.
    let _ = match record {
        Record::Live(entity) => {
            let text = entity.document.as_str();
            let open = text.strip_suffix('}').unwrap_or(text);
            let comma = if open.len() > 1 { "," } else { "" };
            out.extend_from_slice(open.as_bytes());
            writeln!(
                out,
                "{comma}\"_version\":{},\"_created_at\":\"{}\",\"_updated_at\":\"{}\"}}",
                entity.version, entity.created_at, entity.updated_at
            )
        }
        Record::Tombstone(tombstone) => writeln!(
            out,
            "{{{}:{},\"_version\":{},\"_updated_at\":\"{}\",\"_deleted\":true}}",
            Value::String(schema.id_name().to_owned()),
            Value::String(tombstone.id.to_string()),
            tombstone.version,
            tombstone.deleted_at
        ),
    };
}

/// Reads one line; `number` counts from 1 and is named in errors.
///
/// # Errors
/// `Invalid`, with `line`, `pointer` and, where it is known, `byte` (the
/// offset in the line) in the context.
pub fn parse(line: &[u8], number: u64, schema: &CollectionSchema) -> Result<Line> {
    let read = || {
        let text = std::str::from_utf8(line).map_err(|error| {
            let broken = Broken::new("the text is not UTF-8", "");
            Broken { byte: Some(error.valid_up_to()), ..broken }
        })?;
        match split::own_form(text) {
            Some(parts) => own_line(parts, schema),
            None => any_line(text, schema),
        }
    };
    read().map_err(|broken| broken.into_error(number))
}

/// A line as [`write`] makes it: its document was read once, on the way.
fn own_line(parts: split::OwnForm<'_>, schema: &CollectionSchema) -> Result<Line, Broken> {
    let meta = Meta {
        version: Version::new(parts.version).map_err(|error| Broken::of(&error, "/_version"))?,
        created_at: Some(timestamp(parts.created_at, "/_created_at")?),
        updated_at: timestamp(parts.updated_at, "/_updated_at")?,
        deleted: false,
    };
    record(meta, parts.document, schema)
}

/// Any JSON object, its metadata wherever it stands.
fn any_line(text: &str, schema: &CollectionSchema) -> Result<Line, Broken> {
    let value = Value::parse(text).map_err(|error| Broken::syntax(&error))?;
    let Value::Object(fields) = value else {
        return Err(Broken::new("a line is a JSON object", ""));
    };
    let meta = Meta::read(&fields)?;
    let text = match meta {
        Some(_) => Cow::Owned(split::without_metadata(text)),
        None => Cow::Borrowed(text),
    };
    match meta {
        Some(meta) if meta.deleted => tombstone(meta, &fields, schema),
        meta => {
            let document = Document::read(&text).map_err(|error| Broken::syntax(&error))?;
            match meta {
                Some(meta) => record(meta, document, schema),
                None => Ok(Line::Document { id: id_of(&document, schema)?, document }),
            }
        }
    }
}

fn record(meta: Meta, document: Document, schema: &CollectionSchema) -> Result<Line, Broken> {
    let created_at = meta.created_at.ok_or_else(|| {
        Broken::new("a line with _version has _created_at as well", "/_created_at")
    })?;
    Ok(Line::Record(Record::Live(Entity {
        collection: schema.collection.clone(),
        id: id_of(&document, schema)?,
        version: meta.version,
        created_at,
        updated_at: meta.updated_at,
        document,
    })))
}

type Fields = std::collections::BTreeMap<String, Value>;

fn tombstone(meta: Meta, fields: &Fields, schema: &CollectionSchema) -> Result<Line, Broken> {
    let name = schema.id_name();
    let allowed = [name, "_version", "_updated_at", "_deleted"];
    if let Some(other) = fields.keys().find(|key| !allowed.contains(&key.as_str())) {
        return Err(Broken::new("a deleted record holds only its id", &pointer(other)));
    }
    let id = fields
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| Broken::new("the id field is missing or not a string", &pointer(name)))?;
    Ok(Line::Record(Record::Tombstone(Tombstone {
        collection: schema.collection.clone(),
        id: EntityId::new(id).map_err(|error| Broken::of(&error, &pointer(name)))?,
        version: meta.version,
        deleted_at: meta.updated_at,
    })))
}

fn id_of(document: &Document, schema: &CollectionSchema) -> Result<EntityId, Broken> {
    schema.id_of(document).map_err(|error| Broken::of(&error, &pointer(schema.id_name())))
}

/// The metadata of a line.
#[derive(Clone, Copy)]
struct Meta {
    version: Version,
    created_at: Option<Timestamp>,
    updated_at: Timestamp,
    deleted: bool,
}

impl Meta {
    /// The metadata among the fields; `None` when there is none of it.
    fn read(fields: &Fields) -> Result<Option<Self>, Broken> {
        let Some(version) = fields.get("_version") else {
            let stray = repo_core::strategy::RESERVED_KEYS
                .into_iter()
                .find(|key| fields.contains_key(*key));
            return match stray {
                None => Ok(None),
                Some(key) => Err(Broken::new("metadata needs _version beside it", &pointer(key))),
            };
        };
        let number = match version {
            Value::Number(number) => number.to_i64(),
            _ => None,
        };
        let version = number
            .ok_or_else(|| Broken::new("_version is a whole number", "/_version"))
            .and_then(|n| Version::try_from(n).map_err(|error| Broken::of(&error, "/_version")))?;
        let time = |key: &str| match fields.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => timestamp(text, &pointer(key)).map(Some),
            Some(_) => Err(Broken::new("a time is a string", &pointer(key))),
        };
        let deleted = match fields.get("_deleted") {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => return Err(Broken::new("_deleted is true or false", "/_deleted")),
        };
        let updated_at = time("_updated_at")?.ok_or_else(|| {
            Broken::new("a line with _version has _updated_at as well", "/_updated_at")
        })?;
        Ok(Some(Self { version, created_at: time("_created_at")?, updated_at, deleted }))
    }
}

fn timestamp(text: &str, pointer: &str) -> Result<Timestamp, Broken> {
    Timestamp::parse(text).map_err(|error| Broken::of(&error, pointer))
}

fn pointer(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Why a line cannot be read, and where in it.
struct Broken {
    why: String,
    pointer: String,
    byte: Option<usize>,
}

impl Broken {
    fn new(why: impl Into<String>, pointer: &str) -> Self {
        Self { why: why.into(), pointer: pointer.to_owned(), byte: None }
    }

    fn of(error: &Error, pointer: &str) -> Self {
        Self::new(error.message(), pointer)
    }

    fn syntax(error: &SyntaxError) -> Self {
        Self {
            why: error.rule.to_string(),
            pointer: error.pointer.clone(),
            byte: Some(error.offset),
        }
    }

    fn into_error(self, number: u64) -> Error {
        let error = Error::new(ErrorKind::Invalid, "read a line", self.why)
            .with("line", number)
            .with("pointer", self.pointer);
        match self.byte {
            Some(byte) => error.with("byte", byte),
            None => error,
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
