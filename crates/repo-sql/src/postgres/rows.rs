//! Rows to records. Another tool may have written them, so each is checked.

use diesel::row::{Field as _, Row as _};
use diesel_async::{AsyncConnectionCore, AsyncPgConnection};
use repo_core::strategy::{Record, Tombstone, UnreadableRecord};
use repo_core::{
    CollectionName, Document, Entity, EntityId, Error, ErrorKind, Key, Result, Timestamp, Version,
};

/// A row as the driver gives it. It keeps what was prepared for it from being closed.
type Held = <AsyncPgConnection as AsyncConnectionCore>::Row<'static, 'static>;

/// A row of an answer.
pub(super) enum PgRow {
    /// As the driver gives it.
    Held(Held),
    /// Its values alone; `None` for NULL.
    Detached(Box<[Option<Box<[u8]>>]>),
}

impl PgRow {
    /// The same, without anything of the statement that it is an answer to.
    pub(super) fn detached(self) -> Self {
        let Self::Held(row) = self else { return self };
        let value = |at| row.get(at)?.value().map(|value| value.as_bytes().into());
        Self::Detached((0..row.field_count()).map(value).collect())
    }
}

/// The record of a row of [`record_columns`](crate::layout::record_columns).
///
/// # Errors
/// `Corrupt`, naming the key, when the row holds no record.
pub(super) fn record(collection: &CollectionName, row: &PgRow) -> Result<Record> {
    Ok(scanned(collection, row)??)
}

/// The same, or which record cannot be read.
///
/// # Errors
/// `Corrupt` when not even the id is text.
pub(super) fn scanned(
    collection: &CollectionName,
    row: &PgRow,
) -> Result<Result<Record, UnreadableRecord>> {
    let corrupt = |error: Error| error.into_kind(ErrorKind::Corrupt).with("collection", collection);
    let text = text_at(row, 0).map_err(corrupt)?;
    let id = EntityId::new(&text).map_err(corrupt);
    let record = id.and_then(|id| {
        read(collection, &id, row)
            .map_err(|error| damaged_record(&Key::new(collection.clone(), id), error))
    });
    Ok(record.map_err(|error| {
        UnreadableRecord::new(collection.clone(), text, document_bytes_at(row, 4), error)
    }))
}

pub(super) fn records(collection: &CollectionName, rows: &[PgRow]) -> Result<Vec<Record>> {
    rows.iter().map(|row| record(collection, row)).collect()
}

fn read(collection: &CollectionName, id: &EntityId, row: &PgRow) -> Result<Record> {
    let (collection, id) = (collection.clone(), id.clone());
    let version = version_at(row, 1)?;
    let updated_at = time_at(row, 3)?;
    let Some(document) = document_at(row, 4)? else {
        return Ok(Record::Tombstone(Tombstone {
            collection,
            id,
            version,
            deleted_at: updated_at,
        }));
    };
    let created_at = time_at(row, 2)?;
    Ok(Record::Live(Entity { collection, id, version, created_at, updated_at, document }))
}

/// The creation time that a row has; that of a tombstone says nothing.
pub(super) fn written_first(record: &Record) -> Timestamp {
    match record {
        Record::Live(entity) => entity.created_at,
        Record::Tombstone(tombstone) => tombstone.deleted_at,
    }
}

pub(super) fn id_at(row: &PgRow, at: usize) -> Result<EntityId> {
    EntityId::new(&text_at(row, at)?)
}

pub(super) fn version_at(row: &PgRow, at: usize) -> Result<Version> {
    Version::try_from(number_at(row, at)?)
}

pub(super) fn time_at(row: &PgRow, at: usize) -> Result<Timestamp> {
    Timestamp::from_micros(number_at(row, at)?)
}

pub(super) fn document_at(row: &PgRow, at: usize) -> Result<Option<Document>> {
    value_at(row, at, |value| match value {
        [1, text @ ..] => Document::from_slice(text),
        _ => Err(damaged("a document in an unknown form")),
    })
    .transpose()
}

/// The text of a document, whatever it says.
fn document_bytes_at(row: &PgRow, at: usize) -> Option<Vec<u8>> {
    value_at(row, at, |value| value.get(1..).map(<[u8]>::to_vec)).flatten()
}

/// The bytes of a value as the server gives it, whatever they say.
pub(super) fn raw_at(row: &PgRow, at: usize) -> Option<Vec<u8>> {
    value_at(row, at, |value| value.to_vec())
}

/// # Errors
/// `Corrupt` when there is none.
pub(super) fn text_at(row: &PgRow, at: usize) -> Result<String> {
    optional_text_at(row, at)?.ok_or_else(|| damaged("a column that holds no text"))
}

pub(super) fn optional_text_at(row: &PgRow, at: usize) -> Result<Option<String>> {
    value_at(row, at, |value| {
        std::str::from_utf8(value).map(str::to_owned).map_err(|_| damaged("text that is not UTF-8"))
    })
    .transpose()
}

pub(super) fn number_at(row: &PgRow, at: usize) -> Result<i64> {
    value_at(row, at, |value| value.try_into().ok().map(i64::from_be_bytes))
        .flatten()
        .ok_or_else(|| damaged("a column that holds no whole number"))
}

/// How many bytes a column holds.
pub(super) fn bytes_at(row: &PgRow, at: usize) -> usize {
    value_at(row, at, |value| value.len()).unwrap_or(0)
}

pub(super) fn truth_at(row: &PgRow, at: usize) -> bool {
    value_at(row, at, |value| value == [1]).unwrap_or(false)
}

/// `None` for NULL.
fn value_at<T>(row: &PgRow, at: usize, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    match row {
        PgRow::Held(row) => row.get(at)?.value().map(|value| read(value.as_bytes())),
        PgRow::Detached(values) => values.get(at)?.as_deref().map(read),
    }
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "read a record", what)
}

/// The error for what is stored under `key`.
pub(super) fn damaged_record(key: &Key, error: Error) -> Error {
    Error::new(ErrorKind::Corrupt, "read a record", "a stored record is damaged")
        .with("key", key)
        .with("reason", &error)
        .hint("repair the row, or restore the database from a backup")
        .caused_by(error)
}
