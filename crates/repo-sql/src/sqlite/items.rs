//! The engine's own items.

use std::num::NonZeroUsize;

use repo_core::Result;
use repo_core::strategy::{SystemCollection, SystemItem, SystemWrite};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::capture::check_layout;
use super::catalog::Catalog;
use super::fence;
use super::jobs::Transaction;
use super::shared::Shared;
use crate::errors;
use crate::names::{ITEMS_TABLE, quote};

pub(super) const READ: &str = "read the engine's own items";
pub(super) const WRITE: &str = "write the engine's own items";

pub(super) fn get(
    shared: &Shared,
    connection: &Connection,
    catalog: &Catalog,
    collection: SystemCollection,
    key: &str,
) -> Result<Option<String>> {
    check_layout(shared, READ, catalog)?;
    stored(shared, connection, collection, key)
}

/// The items whose keys begin with `prefix` and come after `after`.
pub(super) fn list(
    shared: &Shared,
    connection: &Connection,
    catalog: &Catalog,
    collection: SystemCollection,
    (prefix, after, most): (&str, Option<&str>, NonZeroUsize),
) -> Result<Vec<SystemItem>> {
    check_layout(shared, READ, catalog)?;
    let failed = |source| errors::sqlite(READ, shared.file(), source);
    // SQLite compares text byte by byte. No key has this prefix and comes after the
    // first one that has not.
    let sql = format!(
        "SELECT \"key\", \"value\" FROM {} WHERE \"collection\" = ?1 AND \"key\" >= ?2 \
         AND \"key\" > ?3 ORDER BY \"key\" LIMIT ?4",
        quote(ITEMS_TABLE)
    );
    let most = i64::try_from(most.get()).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = statement
        .query_map(params![collection.as_str(), prefix, after.unwrap_or(""), most], |row| {
            Ok(SystemItem::new(row.get(0)?, row.get(1)?))
        })
        .map_err(failed)?;
    let mut items = Vec::new();
    for item in rows {
        let item = item.map_err(failed)?;
        if !item.key.starts_with(prefix) {
            break;
        }
        items.push(item);
    }
    Ok(items)
}

pub(super) fn write(
    shared: &Shared,
    transaction: &Transaction<'_>,
    writes: &[SystemWrite],
) -> Result<()> {
    check_layout(shared, WRITE, transaction.catalog)?;
    fence::check_items(shared, transaction, WRITE, writes)?;
    let connection = transaction.connection;
    for write in writes {
        let now = stored(shared, connection, write.collection, &write.key)?;
        write.check_stored(now.as_deref())?;
    }
    let failed = |source| errors::sqlite(WRITE, shared.file(), source);
    let items = quote(ITEMS_TABLE);
    for SystemWrite { collection, key, value, .. } in writes {
        match value {
            Some(value) => connection
                .prepare_cached(&format!(
                    "INSERT INTO {items} (\"collection\", \"key\", \"value\") VALUES (?1, ?2, ?3) \
                     ON CONFLICT (\"collection\", \"key\") DO UPDATE SET \"value\" = excluded.\"value\""
                ))
                .and_then(|mut put| put.execute(params![collection.as_str(), key, value])),
            None => connection
                .prepare_cached(&format!(
                    "DELETE FROM {items} WHERE \"collection\" = ?1 AND \"key\" = ?2"
                ))
                .and_then(|mut remove| remove.execute(params![collection.as_str(), key])),
        }
        .map_err(failed)?;
    }
    Ok(())
}

fn stored(
    shared: &Shared,
    connection: &Connection,
    collection: SystemCollection,
    key: &str,
) -> Result<Option<String>> {
    let sql = format!(
        "SELECT \"value\" FROM {} WHERE \"collection\" = ?1 AND \"key\" = ?2",
        quote(ITEMS_TABLE)
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement.query_row([collection.as_str(), key], |row| row.get(0)).optional()
        })
        .map_err(|source| errors::sqlite(READ, shared.file(), source))
}
