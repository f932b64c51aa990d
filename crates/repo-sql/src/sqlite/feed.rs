//! The change feed: reading the log that triggers write to, and shortening it.
//!
//! There is one writer at a time, so the order of the log is the order of the
//! commits, and a position is the number of a row.

use std::num::NonZeroUsize;

use repo_core::strategy::{CapturedWrite, FeedPosition, FeedState, never_prepared};
use repo_core::{CollectionName, EntityId, Error, ErrorKind, Key, Result, Version};
use rusqlite::{Connection, params};

use super::capture::{check_layout, place, set_trimmed};
use super::catalog::Catalog;
use super::jobs::Transaction;
use super::shared::Shared;
use super::store_record;
use crate::errors;
use crate::names::{CHANGES_TABLE, STORE_TABLE, quote};

pub(super) const READ: &str = "read the change feed";
pub(super) const TRIM: &str = "remove old changes";

/// Most rows of the log that one transaction removes: others wait for it.
const ROWS_AT_ONCE: u32 = 10_000;

/// What the feed holds.
///
/// # Errors
/// `Unsupported` for a layout without one; `Foreign` when another tool removed a
/// trigger, so that writes are missing.
pub(super) fn state(
    shared: &Shared,
    connection: &Connection,
    catalog: &Catalog,
) -> Result<FeedState> {
    check_layout(shared, READ, catalog)?;
    let record = store_record::read(connection, shared.file())?;
    let sql = format!(
        "SELECT \"trimmed\", (SELECT \"seq\" FROM \"sqlite_sequence\" WHERE \"name\" = ?1) FROM {}",
        quote(STORE_TABLE)
    );
    let (trimmed, last): (i64, Option<i64>) = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement.query_row([CHANGES_TABLE], |row| Ok((row.get(0)?, row.get(1)?)))
        })
        .map_err(|source| errors::sqlite(READ, shared.file(), source))?;
    let store = record.id.ok_or_else(|| never_prepared(READ, &shared.location))?;
    if record.capture.is_on() {
        check_triggers(shared, catalog)?;
    }
    let trimmed = place(trimmed);
    let head = last.map_or(0, place).max(trimmed);
    Ok(FeedState { store, capture: record.capture, trimmed: vec![trimmed], head: vec![head] })
}

/// At most `most` writes after a position, and where to read on.
pub(super) fn read(
    shared: &Shared,
    connection: &Connection,
    catalog: &Catalog,
    after: Option<&FeedPosition>,
    most: NonZeroUsize,
) -> Result<(Vec<CapturedWrite>, FeedPosition)> {
    let state = state(shared, connection, catalog)?;
    let mut at = state.start(after)?[0];
    let failed = |source| errors::sqlite(READ, shared.file(), source);
    let sql = format!(
        "SELECT \"position\", \"collection\", \"id\", \"version\", \"deleted\" FROM {} \
         WHERE \"position\" > ?1 ORDER BY \"position\" LIMIT ?2",
        quote(CHANGES_TABLE)
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let most = i64::try_from(most.get()).unwrap_or(i64::MAX);
    let mut rows =
        statement.query(params![i64::try_from(at).unwrap_or(i64::MAX), most]).map_err(failed)?;
    let mut writes = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let damaged = |error: Error| damaged(shared, error);
        at = place(row.get(0).map_err(failed)?);
        let collection = CollectionName::new(&row.get::<_, String>(1).map_err(failed)?);
        let id = EntityId::new(&row.get::<_, String>(2).map_err(failed)?);
        let version = Version::try_from(row.get::<_, i64>(3).map_err(failed)?);
        writes.push(CapturedWrite {
            position: state.position(vec![at]),
            key: Key::new(collection.map_err(damaged)?, id.map_err(damaged)?),
            version: version.map_err(damaged)?,
            deleted: row.get(4).map_err(failed)?,
        });
    }
    Ok((writes, state.position(vec![at])))
}

/// Notes that the log up to a position is needed no more. The rows are removed by
/// [`remove_trimmed`].
pub(super) fn trim(
    shared: &Shared,
    transaction: &Transaction<'_>,
    through: &FeedPosition,
) -> Result<()> {
    let state = state(shared, transaction.connection, transaction.catalog)?;
    set_trimmed(shared, transaction.connection, state.trim(through)?[0])
}

/// Removes some of the rows that are needed no more; whether there may be others.
pub(super) fn remove_trimmed(shared: &Shared, transaction: &Transaction<'_>) -> Result<bool> {
    let log = quote(CHANGES_TABLE);
    let sql = format!(
        "DELETE FROM {log} WHERE \"position\" <= (SELECT \"trimmed\" FROM {}) \
         AND \"position\" < (SELECT min(\"position\") FROM {log}) + ?1",
        quote(STORE_TABLE)
    );
    let removed = transaction
        .connection
        .execute(&sql, [ROWS_AT_ONCE])
        .map_err(|source| errors::sqlite(TRIM, shared.file(), source))?;
    Ok(removed > 0)
}

/// A write that no trigger saw is missing in the feed, and nobody would notice.
pub(super) fn check_triggers(shared: &Shared, catalog: &Catalog) -> Result<()> {
    for (name, table) in &catalog.tables {
        let made = catalog.made.get(name);
        if !made.is_some_and(|made| made.is_captured(&table.layout.capture)) {
            let why = "another tool removed or altered a trigger that captures writes";
            let [trigger, _] = &table.layout.capture.names;
            return Err(errors::foreign(READ, shared.file(), trigger, why)
                .with("collection", name)
                .hint(
                    "writes may be missing: end the capture, begin it again, and read all records \
                     once",
                ));
        }
    }
    Ok(())
}

fn damaged(shared: &Shared, error: Error) -> Error {
    Error::new(ErrorKind::Corrupt, READ, "a captured change is damaged")
        .with("file", shared.file().display())
        .with("reason", &error)
        .hint("end the capture, begin it again, and read all records once")
        .caused_by(error)
}
