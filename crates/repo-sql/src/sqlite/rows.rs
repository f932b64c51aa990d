//! Rows to records. Another tool may have written them, so each is checked.

use repo_core::strategy::{Record, Tombstone, UnreadableRecord};
use repo_core::{
    CollectionName, Document, Entity, EntityId, Error, ErrorKind, Key, Result, Timestamp, Version,
};
use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::digest::Signed;

/// The cells of a row beside its id, each of the type that it has to have.
pub(super) struct Cells<'a> {
    pub(super) version: i64,
    /// 0 for a tombstone, which has no such time.
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    /// None for a tombstone.
    pub(super) document: Option<&'a str>,
    /// None where there is none, or where it was not asked for.
    pub(super) digest: Option<i64>,
}

impl<'row> Cells<'row> {
    /// Those of a row of [`record_columns`](crate::layout::record_columns), behind
    /// which the digest may stand.
    pub(super) fn of(row: &'row Row<'_>) -> Result<Self> {
        let is_dead = matches!(row.get_ref(4), Ok(ValueRef::Null));
        Ok(Self {
            version: integer_at(row, 1)?,
            updated_at: integer_at(row, 3)?,
            document: if is_dead { None } else { Some(text_at(row, 4)?) },
            created_at: if is_dead { 0 } else { integer_at(row, 2)? },
            digest: match row.get_ref(5) {
                Ok(ValueRef::Null) | Err(_) => None,
                Ok(_) => Some(integer_at(row, 5)?),
            },
        })
    }

    /// # Errors
    /// `Corrupt` when the digest is that of another record.
    fn check_digest(&self, id: &str) -> Result<()> {
        let Self { version, created_at, updated_at, document, digest } = *self;
        let Some(digest) = digest else { return Ok(()) };
        if (Signed { id, version, updated_at, document }).digest(created_at) == digest {
            return Ok(());
        }
        Err(damaged("the record does not match its digest: it is not as it was stored"))
    }

    fn record(&self, collection: &CollectionName, id: EntityId) -> Result<Record> {
        let collection = collection.clone();
        let version = Version::try_from(self.version)?;
        let updated_at = Timestamp::from_micros(self.updated_at)?;
        let Some(text) = self.document else {
            let deleted_at = updated_at;
            return Ok(Record::Tombstone(Tombstone { collection, id, version, deleted_at }));
        };
        let document = Document::parse(text)?;
        let created_at = Timestamp::from_micros(self.created_at)?;
        Ok(Record::Live(Entity { document, created_at, collection, id, version, updated_at }))
    }
}

/// The record of a row of [`record_columns`](crate::layout::record_columns).
///
/// # Errors
/// `Corrupt`, naming the key, when the row holds no record.
pub(super) fn record(collection: &CollectionName, row: &Row<'_>) -> Result<Record> {
    Ok(scanned(collection, row)??)
}

/// The same, or which record cannot be read.
///
/// # Errors
/// `Corrupt` when not even the id is text.
pub(super) fn scanned(
    collection: &CollectionName,
    row: &Row<'_>,
) -> Result<Result<Record, UnreadableRecord>> {
    let id = text_at(row, 0).map_err(|error| without_id(collection, error))?;
    let stored = || match row.get_ref(4) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => Some(bytes.to_vec()),
        _ => None,
    };
    Ok(named_record(collection, id, Cells::of(row), stored))
}

/// The error for a row whose id is no text.
pub(super) fn without_id(collection: &CollectionName, error: Error) -> Error {
    error.into_kind(ErrorKind::Corrupt).with("collection", collection)
}

/// The record of an id and the cells beside it, of which `stored` is what stands
/// in the place of the document.
///
/// # Errors
/// The record that cannot be read, with `Corrupt`, which names the key.
pub(super) fn named_record(
    collection: &CollectionName,
    id: &str,
    cells: Result<Cells<'_>>,
    stored: impl FnOnce() -> Option<Vec<u8>>,
) -> Result<Record, UnreadableRecord> {
    let read = match EntityId::new(id) {
        Ok(id) => record_of_cells(collection, &id, cells),
        Err(error) => Err(without_id(collection, error)),
    };
    read.map_err(|error| UnreadableRecord::new(collection.clone(), id, stored(), error))
}

/// The record of a row that was asked for by this id.
pub(super) fn record_of(
    collection: &CollectionName,
    id: &EntityId,
    row: &Row<'_>,
) -> Result<Record> {
    record_of_cells(collection, id, Cells::of(row))
}

fn record_of_cells(
    collection: &CollectionName,
    id: &EntityId,
    cells: Result<Cells<'_>>,
) -> Result<Record> {
    cells
        .and_then(|cells| {
            let record = cells.record(collection, id.clone())?;
            cells.check_digest(id.as_str())?;
            Ok(record)
        })
        .map_err(|error| damaged_record(&Key::new(collection.clone(), id.clone()), error))
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
        .hint(
            "put the file back from a backup, and check the disk; without one, `migrate --quarantine \
             FILE` brings all other records elsewhere. If it was changed on purpose, write it again",
        )
        .caused_by(error)
}
