//! Rows to records. Another tool may have written them, so each is checked.

use repo_core::{
    CollectionName, Document, Entity, EntityId, Error, ErrorKind, Key, Record, Result, Timestamp,
    Tombstone, Unreadable, Version,
};
use rusqlite::Row;
use rusqlite::types::ValueRef;

/// The record of a row of [`record_columns`](crate::layout::record_columns).
///
/// # Errors
/// `Corrupt`, naming the key, when the row holds no record. It is about one
/// [unreadable](Error::unreadable) record, unless not even the id is text.
pub(super) fn record(collection: &CollectionName, row: &Row<'_>) -> Result<Record> {
    let corrupt = |error: Error| error.into_kind(ErrorKind::Corrupt).with("collection", collection);
    let id = text_at(row, 0).map_err(corrupt)?;
    let read = EntityId::new(id).map_err(corrupt);
    read.and_then(|id| record_of(collection, &id, row)).map_err(|error| {
        error.about_unreadable(Unreadable {
            collection: collection.clone(),
            id: id.to_owned(),
            text: text_at(row, 4).ok().map(str::to_owned),
        })
    })
}

/// The record of a row that was asked for by this id.
pub(super) fn record_of(
    collection: &CollectionName,
    id: &EntityId,
    row: &Row<'_>,
) -> Result<Record> {
    read(collection, id, row)
        .map_err(|error| damaged_record(&Key::new(collection.clone(), id.clone()), error))
}

fn read(collection: &CollectionName, id: &EntityId, row: &Row<'_>) -> Result<Record> {
    let id = id.clone();
    let version = Version::try_from(integer_at(row, 1)?)?;
    let updated_at = Timestamp::from_micros(integer_at(row, 3)?)?;
    if matches!(row.get_ref(4), Ok(ValueRef::Null)) {
        let collection = collection.clone();
        return Ok(Record::Tombstone(Tombstone {
            collection,
            id,
            version,
            deleted_at: updated_at,
        }));
    }
    Ok(Record::Live(Entity {
        document: Document::parse(text_at(row, 4)?)?,
        created_at: Timestamp::from_micros(integer_at(row, 2)?)?,
        collection: collection.clone(),
        id,
        version,
        updated_at,
    }))
}

pub(super) fn text_at<'row>(row: &'row Row<'_>, at: usize) -> Result<&'row str> {
    match row.get_ref(at) {
        Ok(ValueRef::Text(bytes)) => {
            std::str::from_utf8(bytes).map_err(|_| damaged("text that is not UTF-8"))
        }
        _ => Err(damaged("a column that holds no text")),
    }
}

pub(super) fn integer_at(row: &Row<'_>, at: usize) -> Result<i64> {
    match row.get_ref(at) {
        Ok(ValueRef::Integer(number)) => Ok(number),
        _ => Err(damaged("a column that holds no whole number")),
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
        .hint("repair the row, or restore the file from a backup")
        .caused_by(error)
}
