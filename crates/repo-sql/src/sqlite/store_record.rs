//! The store's own record in its tables.

use std::path::Path;

use repo_core::strategy::{
    CollectionState, StoreRecord, StoreUpdate, StoredJob, check_job, check_new_id, never_prepared,
};
use repo_core::{CollectionName, Error, ErrorKind, Result};
use rusqlite::{Connection, params};

use super::commit::table;
use super::jobs::Transaction;
use super::shared::Shared;
use super::{capture, fence, history, role};
use crate::errors;
use crate::names::{COLLECTIONS_TABLE, ID_COLUMN, STORE_TABLE, quote};
use crate::own_record::{capture_of, history_of};

const OPERATION: &str = "read the store's record";
const UPDATE: &str = "update the store's record";

/// Reads the record of a prepared store.
pub(super) fn read(connection: &Connection, file: &Path) -> Result<StoreRecord> {
    let failed = |source| errors::sqlite(OPERATION, file, source);
    let sql = format!("SELECT * FROM {}", quote(STORE_TABLE));
    let (mut record, [id, capture, history]) = connection
        .query_row(&sql, [], |row| {
            let plan: Option<String> = row.get("migration_plan")?;
            let progress: Option<String> = row.get("migration_progress")?;
            // Older layouts have no such columns.
            let optional = |name: &str| match row.as_ref().column_index(name) {
                Ok(column) => row.get::<_, Option<String>>(column),
                Err(_) => Ok(None),
            };
            let texts = [optional(ID_COLUMN)?, optional("capture")?, optional("history")?];
            let record = StoreRecord::new(row.get("layout_version")?).with_job(
                plan.map(|plan| StoredJob { plan, progress: progress.unwrap_or_default() }.into()),
            );
            Ok((record, texts))
        })
        .map_err(failed)?;
    record.role = role::read(connection, file)?;
    record.id = id
        .map(|id| id.parse())
        .transpose()
        .map_err(|error: Error| error.into_kind(ErrorKind::Corrupt).with("file", file.display()))?;
    record.capture =
        capture_of(capture.as_deref()).map_err(|error| error.with("file", file.display()))?;
    record.history =
        history_of(history.as_deref()).map_err(|error| error.with("file", file.display()))?;
    let sql = format!(
        "SELECT \"collection\", \"schema_version\", \"floor\" FROM {}",
        quote(COLLECTIONS_TABLE)
    );
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let rows = statement
        .query_map([], |row| {
            let state = CollectionState::new(row.get(1)?, row.get(2)?);
            Ok((row.get::<_, String>(0)?, state))
        })
        .map_err(failed)?;
    for row in rows {
        let (name, state) = row.map_err(failed)?;
        let name = CollectionName::new(&name)
            .map_err(|error| error.into_kind(ErrorKind::Corrupt).with("file", file.display()))?;
        record.collections.insert(name, state);
    }
    Ok(record)
}

/// Changes the record and returns it.
pub(super) fn update(
    shared: &Shared,
    transaction: &Transaction<'_>,
    update: StoreUpdate,
) -> Result<StoreRecord> {
    let connection = transaction.connection;
    if !transaction.catalog.prepared {
        return Err(never_prepared(UPDATE, &shared.location));
    }
    let stored = read(connection, shared.file())?;
    update.check_role(&stored.role, &shared.location, shared.options.works_for)?;
    match update {
        StoreUpdate::RaiseFloor { collection, floor } => {
            table(shared, transaction, "raise a floor", &collection)?;
            raise_floor(shared, connection, &collection, floor)?;
        }
        StoreUpdate::Job { expected, job } => {
            check_job(stored.job.as_ref(), expected.as_ref())?;
            let sql = format!(
                "UPDATE {} SET \"migration_plan\" = ?1, \"migration_progress\" = ?2",
                quote(STORE_TABLE)
            );
            let stored = job.map(StoredJob::from);
            let plan = stored.as_ref().map(|stored| &stored.plan);
            let progress = stored.as_ref().map(|stored| &stored.progress);
            connection
                .execute(&sql, params![plan, progress])
                .map_err(|source| errors::sqlite(UPDATE, shared.file(), source))?;
        }
        StoreUpdate::HoldCapture(holder) => {
            capture::hold(shared, transaction, stored.capture, holder)?;
        }
        StoreUpdate::ReleaseCapture(holder) => {
            capture::release(shared, transaction, stored.capture, &holder)?;
        }
        StoreUpdate::History { collection, expected, history: next } => {
            let all = stored.history;
            history::set(shared, transaction, all, &collection, (expected, next))?;
        }
        StoreUpdate::Role(change) => fence::change(shared, transaction, &stored, &change)?,
        StoreUpdate::Id { expected, id } => {
            check_new_id(stored.id, stored.job.as_ref(), expected)?;
            let sql = format!("UPDATE {} SET {} = ?1", quote(STORE_TABLE), quote(ID_COLUMN));
            connection
                .execute(&sql, params![id.to_string()])
                .map_err(|source| errors::sqlite(UPDATE, shared.file(), source))?;
        }
    }
    read(connection, shared.file())
}

/// Raises a floor; a lower value changes nothing.
pub(super) fn raise_floor(
    shared: &Shared,
    connection: &Connection,
    collection: &CollectionName,
    floor: u64,
) -> Result<()> {
    let floor = i64::try_from(floor).map_err(|_| {
        Error::new(ErrorKind::Invalid, "raise a floor", "a floor is a version").with("floor", floor)
    })?;
    let sql = format!(
        "UPDATE {} SET \"floor\" = max(\"floor\", ?2) WHERE \"collection\" = ?1",
        quote(COLLECTIONS_TABLE)
    );
    connection
        .execute(&sql, params![collection.as_str(), floor])
        .map(drop)
        .map_err(|source| errors::sqlite("raise a floor", shared.file(), source))
}
