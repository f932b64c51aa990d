//! A row of a table as a record: each column by what the schema says of its
//! field. Nothing is guessed: a value that cannot be read so makes the record
//! unreadable, and the error names the table, the id, the column and why.

use std::borrow::Cow;
use std::fmt;

use repo_core::strategy::{OnUnreadable, Record, Scanned, Unreadable, base64_of, push_json_string};
use repo_core::{
    Decimal, DecimalError, Document, Entity, EntityId, Error, ErrorKind, Key, Result, SyntaxError,
    Timestamp, Value, Version,
};
use serde_json::Value as Json;

use super::table::{Column, Reading, SqlKind, Table};

/// How much of an id that is none is shown.
const SHOWN_CHARS: usize = 60;
/// Most rows that an error names beside the first.
const MOST_FURTHER: usize = 10;
/// Bytes around a value in a document: quotes, a comma.
const AROUND_BYTES: usize = 4;

/// One value as the database holds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Boolean(bool),
    /// A number, as exact text.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// JSON text.
    Json(Cow<'a, str>),
    /// What has no form in JSON: what it is, and its bytes.
    Unsayable(&'static str, Cow<'a, [u8]>),
}

impl Cell<'_> {
    /// How many bytes its text has.
    fn len(&self) -> usize {
        match self {
            Self::Null | Self::Boolean(_) | Self::Unsayable(..) => 0,
            Self::Number(text) | Self::Text(text) | Self::Json(text) => text.len(),
        }
    }
}

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

/// What some rows hold.
#[derive(Debug, Default)]
pub(crate) struct Records {
    read: Vec<Record>,
    unreadable: Vec<Error>,
    /// The id of the last row that has one.
    last: Option<EntityId>,
}

impl Records {
    pub(crate) fn add(&mut self, record: Result<Record>) {
        match record {
            Ok(record) => {
                self.last = Some(record.id().clone());
                self.read.push(record);
            }
            Err(error) => {
                let id = error.unreadable().and_then(|row| EntityId::new(&row.id).ok());
                self.last = id.or(self.last.take());
                self.unreadable.push(error);
            }
        }
    }

    /// All of them. Whoever repairs the rows wants to know of more than one at
    /// a time.
    ///
    /// # Errors
    /// That of the first row that cannot be read, with the keys of others.
    pub(crate) fn finish(self) -> Result<Vec<Record>> {
        let mut unreadable = self.unreadable.into_iter();
        let Some(error) = unreadable.next() else { return Ok(self.read) };
        let places = unreadable.map(|error| {
            let place = error.context_value("key").or(error.context_value("row"));
            place.unwrap_or_default().to_owned()
        });
        let mut further: Vec<String> = places.collect();
        let more = further.len().saturating_sub(MOST_FURTHER);
        further.truncate(MOST_FURTHER);
        let error = error.about_all();
        match (further.is_empty(), more) {
            (true, _) => Err(error),
            (_, 0) => Err(error.with("also_unreadable", further.join(", "))),
            _ => {
                Err(error
                    .with("also_unreadable", format!("{} and {more} more", further.join(", "))))
            }
        }
    }

    /// The same, or what can be read and an error for each other row: but not
    /// for one without an id, of which nobody could say which it is.
    ///
    /// # Errors
    /// As [`finish`](Self::finish), where rows are not to be set aside.
    pub(super) fn set_aside(self, on_unreadable: OnUnreadable) -> Result<Found> {
        let Self { last, .. } = &self;
        let (last, rows) = (last.clone(), self.read.len() + self.unreadable.len());
        let told = self.unreadable.iter().all(|error| error.unreadable().is_some());
        let scanned = if on_unreadable.goes_on() && told {
            Scanned { records: self.read, unreadable: self.unreadable }
        } else {
            Scanned { records: self.finish()?, unreadable: Vec::new() }
        };
        Ok(Found { scanned, rows, last })
    }
}

/// What a page of rows holds.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) scanned: Scanned,
    pub(super) rows: usize,
    /// The id of the last row.
    pub(super) last: Option<EntityId>,
}

impl Extend<Result<Record>> for Records {
    fn extend<T: IntoIterator<Item = Result<Record>>>(&mut self, records: T) {
        records.into_iter().for_each(|record| self.add(record));
    }
}

/// The record of a row, version 1, with `time` as its times.
///
/// # Errors
/// `Corrupt`, naming the row, when it cannot be read.
pub(crate) fn record(table: &Table, time: Timestamp, row: &Row<'_>) -> Result<Record> {
    let id = id_of(table, row)?;
    let cells = table.columns.iter().zip(&row.cells);
    let size = cells.clone().map(|(column, cell)| column.key.len() + cell.len() + AROUND_BYTES);
    let mut text = String::with_capacity(size.sum());
    text.push('{');
    for (at, (column, cell)) in cells.enumerate() {
        let said = if at == table.id {
            Ok(Some(Said::Text(id.as_str())))
        } else {
            column.json(cell).map_err(|why| unreadable(table, &id, row, Some(column), &why))
        };
        if let Some(said) = said? {
            text.push_str(if text.len() > 1 { "," } else { "" });
            text.push_str(&column.key);
            said.push(&mut text);
        }
    }
    text.push('}');
    let document = Document::read(&text).map_err(|error| refused(table, &id, row, &error))?;
    Ok(Record::Live(Entity {
        collection: table.schema.collection.clone(),
        id,
        version: Version::FIRST,
        created_at: time,
        updated_at: time,
        document,
    }))
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
    broken(table, "an id stands twice, though its column is said to be unique")
        .with("key", Key::new(table.schema.collection.clone(), id.clone()))
        .hint("the index is damaged; rebuild it (REINDEX) and remove one of the rows")
}

fn broken(table: &Table, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "read a table of another program", what)
        .with("table", &table.name)
        .with("collection", &table.schema.collection)
}

/// The error for a row that cannot be read. The value is not shown: it may be
/// long, or a secret.
fn unreadable(
    table: &Table,
    id: &EntityId,
    row: &Row<'_>,
    column: Option<&Column>,
    why: &str,
) -> Error {
    let error = broken(table, "a row cannot be read as a document")
        .with("key", Key::new(table.schema.collection.clone(), id.clone()))
        .with("row", &row.place);
    let error = match column {
        Some(column) => error.with("column", &column.name).with("type", &column.sql_type),
        None => error,
    };
    error
        .with("reason", why)
        .hint("repair the value in the table, or declare the field otherwise in the schema")
        .about_unreadable(Unreadable {
            collection: table.schema.collection.clone(),
            id: id.to_string(),
            stored: Some(stored(table, row).into_bytes()),
        })
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
fn refused(table: &Table, id: &EntityId, row: &Row<'_>, error: &SyntaxError) -> Error {
    let field = error.pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
    let field = field.replace("~1", "/").replace("~0", "~");
    let column = table.columns.iter().find(|column| column.field == field);
    unreadable(table, id, row, column, &error.rule.to_string()).with("pointer", &error.pointer)
}

fn shortened(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN_CHARS).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{shown:?}{more}")
}

/// What a value is in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// This JSON text.
    Json(&'a str),
    /// A string of this text.
    Text(&'a str),
}

impl Said<'_> {
    fn push(self, out: &mut String) {
        match self {
            Self::Json(text) => out.push_str(text),
            Self::Text(text) => push_json_string(out, text),
        }
    }
}

type Saying<'a> = std::result::Result<Option<Said<'a>>, String>;

impl Column {
    /// The value as JSON text; `None` when the field is left out.
    ///
    /// # Errors
    /// Why it cannot be said so.
    pub(super) fn json<'a>(&self, cell: &'a Cell<'_>) -> Saying<'a> {
        match (self.reading, cell) {
            (_, Cell::Unsayable(what, _)) => Err(format!("it holds {what}, which JSON cannot say")),
            (_, Cell::Null) => Ok(self.nullable.then_some(Said::Json("null"))),
            (_, Cell::Json(text)) => structure(text),
            (Reading::Text, Cell::Boolean(truth)) => Ok(Some(Said::Text(word(*truth)))),
            (Reading::Text, Cell::Text(text) | Cell::Number(text)) => Ok(Some(Said::Text(text))),
            (Reading::Number, Cell::Boolean(truth)) => {
                Ok(Some(Said::Json(if *truth { "1" } else { "0" })))
            }
            (Reading::Number, Cell::Text(text)) => number(text.trim()),
            (Reading::Boolean, Cell::Text(text) | Cell::Number(text)) => truth(text),
            (Reading::Structure, Cell::Text(text)) => structure(text),
            (Reading::AsStored, Cell::Text(text)) if self.kind == SqlKind::Json => structure(text),
            (Reading::AsStored, Cell::Number(number)) if self.kind == SqlKind::Boolean => {
                truth(number)
            }
            (Reading::Several { structures: true }, Cell::Text(text)) => {
                Ok(Some(if looks_like_a_structure(text) && Value::parse(text).is_ok() {
                    Said::Json(text)
                } else {
                    Said::Text(text)
                }))
            }
            (Reading::Several { .. } | Reading::AsStored, Cell::Text(text)) => {
                Ok(Some(Said::Text(text)))
            }
            (_, Cell::Number(text)) => number(text),
            (_, Cell::Boolean(truth)) => Ok(Some(Said::Json(word(*truth)))),
        }
    }
}

fn word(truth: bool) -> &'static str {
    if truth { "true" } else { "false" }
}

fn number(text: &str) -> Saying<'_> {
    match Decimal::parse(text) {
        Ok(_) => Ok(Some(Said::Json(text))),
        Err(DecimalError::TooManyDigits) => {
            Err("the number has more than 38 significant digits".to_owned())
        }
        Err(DecimalError::OutOfRange) => {
            Err("the number lies outside ±9.99…E+125 or is nearer to zero than 1E-130".to_owned())
        }
        Err(DecimalError::Malformed) => Err("the schema says number, and it holds none".to_owned()),
    }
}

fn truth(text: &str) -> Saying<'_> {
    let is = |word: &str| text.trim().eq_ignore_ascii_case(word);
    if is("1") || is("true") {
        Ok(Some(Said::Json("true")))
    } else if is("0") || is("false") {
        Ok(Some(Said::Json("false")))
    } else {
        Err("it holds neither 0, 1, true nor false".to_owned())
    }
}

/// Text that is JSON. Checked by itself: put into the document unchecked it
/// could end its own field and begin others.
fn structure(text: &str) -> Saying<'_> {
    match Value::parse(text) {
        Ok(_) => Ok(Some(Said::Json(text))),
        Err(error) => Err(format!("it should be JSON, and is not: {error}")),
    }
}

fn looks_like_a_structure(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// A time as SQL writes it, `2026-03-01 08:00:00.5+00`, as JSON files have it:
/// `2026-03-01T08:00:00.500000Z`. Without an offset it stays without one: which
/// was meant is not known. Other text stays as it is.
pub(crate) fn iso_time(text: &str) -> Cow<'_, str> {
    let shape = "dddd-dd-dd dd:dd:dd";
    let fits = text.len() >= shape.len()
        && shape.bytes().zip(text.bytes()).all(|(shape, byte)| match shape {
            b'd' => byte.is_ascii_digit(),
            shape => shape == byte,
        });
    if !fits {
        return Cow::Borrowed(text);
    }
    let (moment, rest) = text.split_at(shape.len());
    let digits = rest
        .strip_prefix('.')
        .map_or("", |rest| &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()]);
    let zone = match &rest[if digits.is_empty() { 0 } else { digits.len() + 1 }..] {
        "+00" | "Z" => "Z",
        zone if is_offset(zone) => zone,
        _ => return Cow::Borrowed(text),
    };
    let fraction = if digits.is_empty() { String::new() } else { format!(".{digits:0<6}") };
    Cow::Owned(format!("{}{fraction}{zone}", moment.replacen(' ', "T", 1)))
}

/// Nothing, or an offset such as `+02:00`.
fn is_offset(zone: &str) -> bool {
    match zone.as_bytes() {
        [] => true,
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
