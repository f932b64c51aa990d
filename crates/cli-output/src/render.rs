//! Entities as results: as JSON, as indented text, as cells of a table.
//!
//! Numbers are never parsed on the way: what is printed is the stored text.

use repo_core::strategy::Record;
use repo_core::{CollectionSchema, Entity, FieldPath, Value};
use serde_json::value::RawValue;

use crate::failure::{Failure, Outcome};
use crate::output::{cell, draw, table};
use repo_migrate::ndjson;

/// Entities as lines of JSON: each document with `_version`, `_created_at` and
/// `_updated_at` added, as `export` writes it.
#[must_use]
pub fn entity_lines(entities: &[Entity], schema: &CollectionSchema) -> Vec<u8> {
    let mut lines = Vec::new();
    for entity in entities {
        entity_line(entity, schema, &mut lines);
    }
    lines
}

fn entity_line(entity: &Entity, schema: &CollectionSchema, out: &mut Vec<u8>) {
    ndjson::write(&Record::Live(entity.clone()), schema, out);
}

/// One entity as a JSON value.
///
/// # Errors
/// [`Failure`] when its text is no JSON.
pub fn entity_json(entity: &Entity, schema: &CollectionSchema) -> Outcome<Box<RawValue>> {
    let mut line = Vec::new();
    entity_line(entity, schema, &mut line);
    serde_json::from_slice(&line).map_err(|error| Failure::writing(error.into()))
}

/// The columns of a table of entities: id, indexed fields, version, time.
#[derive(Debug)]
pub struct Columns<'a> {
    fields: Vec<&'a FieldPath>,
    id: String,
}

impl<'a> Columns<'a> {
    /// The columns for entities of this schema, which are ordered by `order`.
    #[must_use]
    pub fn new(schema: &'a CollectionSchema, order: Option<&'a FieldPath>) -> Self {
        let mut fields: Vec<&FieldPath> = schema.indexed_fields().collect();
        if let Some(order) = order.filter(|order| !fields.contains(order)) {
            fields.push(order);
        }
        fields.retain(|field| **field != schema.id_field);
        Self { fields, id: schema.id_name().to_owned() }
    }

    /// The table of these entities.
    #[must_use]
    pub fn table(&self, entities: &[Entity]) -> String {
        let header = self.header();
        let mut table = table(&header.iter().map(String::as_str).collect::<Vec<_>>());
        for entity in entities {
            table.add_row(self.row(entity));
        }
        draw(&table)
    }

    fn header(&self) -> Vec<String> {
        let fields = self.fields.iter().map(ToString::to_string);
        let own = ["_version", "_updated_at"].map(str::to_owned);
        std::iter::once(self.id.clone()).chain(fields).chain(own).collect()
    }

    fn row(&self, entity: &Entity) -> Vec<String> {
        let fields = self.fields.iter().map(|path| match entity.document.get(path) {
            None => String::new(),
            Some(Value::String(text)) => cell(&text),
            Some(_) => entity.document.get_text(path).map(cell).unwrap_or_default(),
        });
        let own = [entity.version.to_string(), entity.updated_at.to_string()];
        std::iter::once(cell(entity.id.as_str())).chain(fields).chain(own).collect()
    }
}

/// Indents JSON text that has no white space between its tokens. Only white
/// space is added.
#[must_use]
pub fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                out.push(c);
                copy_string(&mut chars, &mut out);
            }
            '{' | '[' => {
                out.push(c);
                let close = if c == '{' { '}' } else { ']' };
                if chars.next_if_eq(&close).is_some() {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => out.push(c),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Copies a string up to its closing quote.
fn copy_string(chars: &mut impl Iterator<Item = char>, out: &mut String) {
    while let Some(c) = chars.next() {
        out.push(c);
        match c {
            '"' => return,
            '\\' => out.extend(chars.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indenting_adds_only_white_space() {
        let text = r#"{"a":{},"b":[1.50,[],"x:,{\"\\"],"c":{"d":1e400}}"#;
        let shown = indented(text);
        assert_eq!(
            shown,
            "{\n  \"a\": {},\n  \"b\": [\n    1.50,\n    [],\n    \"x:,{\\\"\\\\\"\n  ],\n  \
             \"c\": {\n    \"d\": 1e400\n  }\n}"
        );
    }
}
