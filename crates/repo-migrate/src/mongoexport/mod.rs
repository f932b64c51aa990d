//! Lines that `mongoexport` writes: documents in Extended JSON v2, canonical or relaxed.
//!
//! Numbers keep every digit and times their moment. What has no form in JSON is refused
//! by its place in the document.

mod broken;
mod extended;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use repo_core::{CollectionSchema, Document, EntityId, Result, Value};

use crate::ndjson::Line;
use broken::{Broken, step};
use extended::plain;

/// The id field of MongoDB.
const ID: &str = "_id";

/// Reads one line; `number` counts from 1 and is named in errors. `_id` becomes the id
/// field where the document has none of its own; where it has one, `_id` stays, unless
/// both are the same.
///
/// # Errors
/// `Invalid`, with `line`, `pointer` and, where it is known, `byte` (the offset in the
/// line) in the context.
pub fn parse(line: &[u8], number: u64, schema: &CollectionSchema) -> Result<Line> {
    document(line, schema).map_err(|broken| broken.into_error(number))
}

fn document(line: &[u8], schema: &CollectionSchema) -> Result<Line, Broken> {
    let text = std::str::from_utf8(line).map_err(|error| {
        Broken::new("the text is not UTF-8", String::new()).at(Some(error.valid_up_to()))
    })?;
    if text.trim_ascii_start().starts_with('[') {
        return Err(Broken::new("a line is a list of documents", String::new()).several());
    }
    let value = Value::parse(text).map_err(Broken::syntax)?;
    let Value::Object(fields) = value else {
        return Err(Broken::new("a line is a JSON object", String::new()));
    };
    let mut made = BTreeMap::new();
    for (name, value) in fields {
        let pointer = step("", &name);
        made.insert(name, plain(value, &pointer)?);
    }
    take_id(&mut made, schema)?;
    let document = Document::read(&Value::Object(made).to_string())
        .map_err(|error| Broken::syntax(error).at(None))?;
    let id = id_of(&document, schema)?;
    Ok(Line::Document { id, document })
}

type Fields = BTreeMap<String, Value>;

/// Puts the id where the collection has it.
fn take_id(fields: &mut Fields, schema: &CollectionSchema) -> Result<(), Broken> {
    let id_name = schema.id_name();
    if id_name == ID || !fields.contains_key(ID) {
        return as_text(fields, id_name);
    }
    match (fields.get(id_name), fields.get(ID)) {
        (None, _) => {
            if let Some(id) = fields.remove(ID) {
                fields.insert(id_name.to_owned(), id);
            }
            as_text(fields, id_name)
        }
        (own, theirs) => {
            if own == theirs {
                fields.remove(ID);
            }
            as_text(fields, id_name)
        }
    }
}

/// A whole number in the place of an id is its text.
fn as_text(fields: &mut Fields, name: &str) -> Result<(), Broken> {
    let pointer = step("", name);
    match fields.get(name) {
        Some(Value::String(_)) => Ok(()),
        Some(Value::Number(number)) if number.is_integer() => {
            let text = Value::String(number.to_string());
            fields.insert(name.to_owned(), text);
            Ok(())
        }
        Some(_) => Err(Broken::new("an id is an ObjectId, a string or a whole number", pointer)),
        None => Err(Broken::new("the document has no id", pointer)),
    }
}

fn id_of(document: &Document, schema: &CollectionSchema) -> Result<EntityId, Broken> {
    let pointer = || step("", schema.id_name());
    schema.id_of(document).map_err(|error| Broken::new(error.message(), pointer()))
}
