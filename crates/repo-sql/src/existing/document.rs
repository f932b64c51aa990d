//! A row of a table as a record: each column by what the schema says of its
//! field. Nothing is guessed: a value that cannot be read so makes the record
//! unreadable, and the error names the table, the id, the column and why.

use std::fmt;

use repo_core::strategy::{Record, UnreadableRecord, base64_of};
use repo_core::{
    Document, Entity, EntityId, Error, ErrorKind, Key, Result, SyntaxError, Timestamp, Version,
};
use serde_json::Value as Json;

use super::records::Unread;
use super::table::{Column, Table};
use super::value::{Cell, Said};

/// How much of an id that is none is shown.
const SHOWN_CHARS: usize = 60;
/// Bytes around a value in a document: quotes, a comma.
const AROUND_BYTES: usize = 4;

/// Where a row is, for errors about rows whose id says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// SQLite's number of the row.
    Rowid(i64),
    /// PostgreSQL's place of the row.
    Ctid(String),
    /// The table does not say.
    Unknown,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rowid(number) => write!(f, "rowid {number}"),
            Self::Ctid(place) => write!(f, "ctid {place}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// A row: its values in the order of the table's columns.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) place: Place,
    pub(crate) cells: Vec<Cell<'a>>,
}

/// The record of a row, version 1, with `time` as its times.
///
/// # Errors
/// `Corrupt`, naming the row, when it cannot be read.
pub(crate) fn record(table: &Table, time: Timestamp, row: &Row<'_>) -> Result<Record, Unread> {
    let id = id_of(table, row).map_err(Unread::WithoutId)?;
    match document(table, &id, row) {
        Err(unreadable) => Err(Unread::Row(id, unreadable)),
        Ok(document) => Ok(Record::Live(Entity {
            collection: table.schema.collection.clone(),
            id,
            version: Version::FIRST,
            created_at: time,
            updated_at: time,
            document,
        })),
    }
}

fn document(table: &Table, id: &EntityId, row: &Row<'_>) -> Result<Document, UnreadableRecord> {
    let cells = table.columns.iter().zip(&row.cells);
    let size = cells.clone().map(|(column, cell)| column.key.len() + cell.len() + AROUND_BYTES);
    let mut text = String::with_capacity(size.sum());
    text.push('{');
    for (at, (column, cell)) in cells.enumerate() {
        let said = if at == table.id {
            Ok(Some(Said::Text(id.as_str())))
        } else {
            column.json(cell).map_err(|why| unreadable(table, id, row, Some(column), &why))
        };
        if let Some(said) = said? {
            text.push_str(if text.len() > 1 { "," } else { "" });
            text.push_str(&column.key);
            said.push(&mut text);
        }
    }
    text.push('}');
    Document::read(&text).map_err(|error| refused(table, id, row, &error))
}

fn id_of(table: &Table, row: &Row<'_>) -> Result<EntityId> {
    let no_id = |why: &str, shown: Option<&str>| {
        let error = broken(table, "a row has no id that can be used")
            .with("column", table.columns.get(table.id).map_or("", |column| column.name.as_str()))
            .with("row", &row.place)
            .with("reason", why);
        match shown {
            Some(id) => error.with("id", shortened(id)),
            None => error,
        }
        .hint("give the row an id, or remove it, and run again")
    };
    match row.cells.get(table.id) {
        Some(Cell::Text(text)) => {
            EntityId::new(text).map_err(|error| no_id(error.message(), Some(text)))
        }
        Some(Cell::Number(number)) if number.parse::<i64>().is_ok() => {
            EntityId::new(number).map_err(|error| no_id(error.message(), Some(number)))
        }
        Some(Cell::Number(number)) => Err(no_id("the number is not a whole one", Some(number))),
        Some(Cell::Unsayable(what, _)) => Err(no_id(what, None)),
        Some(Cell::Null) | None => Err(no_id("it is NULL", None)),
        Some(_) => Err(no_id("it is neither text nor a whole number", None)),
    }
}

/// The error for a row without an id that was looked for as such.
pub(super) fn without_id(table: &Table, place: Place) -> Error {
    let row = Row { place, cells: Vec::new() };
    match id_of(table, &row) {
        Err(error) => error,
        Ok(_) => broken(table, "a row has no id"),
    }
}

/// The error for an id that stands twice, which a unique index should prevent.
pub(super) fn stands_twice(table: &Table, id: &EntityId) -> Error {
    broken(table, "an id stands twice, though its column is declared unique")
        .with("key", Key::new(table.schema.collection.clone(), id.clone()))
        .hint("the index is damaged; rebuild it (REINDEX) and remove one of the rows")
}

fn broken(table: &Table, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "read a table of another program", what)
        .with("table", &table.name)
        .with("collection", &table.schema.collection)
}

/// A row that cannot be read. The error does not show the value: it may be long,
/// or a secret.
fn unreadable(
    table: &Table,
    id: &EntityId,
    row: &Row<'_>,
    column: Option<&Column>,
    why: &str,
) -> UnreadableRecord {
    let error = broken(table, "a row cannot be read as a document")
        .with("key", Key::new(table.schema.collection.clone(), id.clone()))
        .with("row", &row.place);
    let error = match column {
        Some(column) => error.with("column", &column.name).with("type", &column.sql_type),
        None => error,
    };
    let error = error
        .with("reason", why)
        .hint("repair the value in the table, or declare the field otherwise in the schema");
    let stored = Some(stored(table, row).into_bytes());
    let collection = table.schema.collection.clone();
    UnreadableRecord::new(collection, id.as_str(), stored, error)
}

/// What a row holds, as JSON: numbers and JSON as text, since there may be
/// something wrong with them, bytes that are no text as `{"base64": "…"}`.
fn stored(table: &Table, row: &Row<'_>) -> String {
    let value = |cell: &Cell<'_>| match cell {
        Cell::Null => Json::Null,
        Cell::Boolean(truth) => Json::from(*truth),
        Cell::Number(text) | Cell::Text(text) | Cell::Json(text) => Json::from(text.as_ref()),
        Cell::Unsayable(_, bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Json::from(text),
            Err(_) => serde_json::json!({ "base64": base64_of(bytes) }),
        },
    };
    let fields = table.columns.iter().zip(&row.cells);
    let fields = fields.map(|(column, cell)| (column.name.clone(), value(cell)));
    Json::Object(fields.collect()).to_string()
}

/// The error for a rule of documents that the row breaks.
fn refused(table: &Table, id: &EntityId, row: &Row<'_>, error: &SyntaxError) -> UnreadableRecord {
    let field = error.pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
    let field = field.replace("~1", "/").replace("~0", "~");
    let column = table.columns.iter().find(|column| column.field == field);
    unreadable(table, id, row, column, &error.rule.to_string())
        .map_error(|said| said.with("pointer", &error.pointer))
}

fn shortened(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN_CHARS).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{shown:?}{more}")
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
