//! Switching the capture of writes on and off: triggers that write to the log.

use repo_core::strategy::{Capture, CaptureHolder, layout_without_changes};
use repo_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, OptionalExtension as _};

use super::catalog::Catalog;
use super::jobs::Transaction;
use super::shared::Shared;
use super::taken::TakenNames;
use crate::layout::{CaptureTriggers, LAYOUT_WITH_CHANGES};
use crate::names::{CHANGES_TABLE, STORE_TABLE, quote};
use crate::{Dialect, errors};

const CAPTURE: &str = "capture changes";

/// Captures writes for one more holder.
pub(super) fn hold(
    shared: &Shared,
    transaction: &Transaction<'_>,
    mut capture: Capture,
    holder: CaptureHolder,
) -> Result<()> {
    check_layout(shared, CAPTURE, transaction.catalog)?;
    if capture.hold(holder) {
        let tables = transaction.catalog.tables.values();
        switch_on(shared, transaction.connection, tables.map(|table| &table.layout.capture))?;
    }
    set_capture(shared, transaction.connection, &capture)
}

/// Takes a holder away, and ends capture with the last one.
pub(super) fn release(
    shared: &Shared,
    transaction: &Transaction<'_>,
    mut capture: Capture,
    holder: &CaptureHolder,
) -> Result<()> {
    let connection = transaction.connection;
    if !capture.release(holder) {
        return if capture.is_unused() {
            Ok(())
        } else {
            set_capture(shared, connection, &capture)
        };
    }
    for table in transaction.catalog.tables.values() {
        for statement in table.layout.capture.drop(Dialect::Sqlite) {
            run(shared, connection, &statement)?;
        }
    }
    set_capture(shared, connection, &capture)?;
    let sql = "SELECT \"seq\" FROM \"sqlite_sequence\" WHERE \"name\" = ?1";
    let last: Option<i64> = connection
        .query_row(sql, [CHANGES_TABLE], |row| row.get(0))
        .optional()
        .map_err(|source| errors::sqlite(CAPTURE, shared.file(), source))?;
    set_trimmed(shared, connection, last.map_or(0, place))?;
    // Of all rows at once SQLite frees the pages, whatever their number.
    run(shared, connection, &format!("DELETE FROM {}", quote(CHANGES_TABLE)))
}

/// Makes the triggers of collections.
///
/// # Errors
/// `Foreign` when something that is not ours has the name of one.
pub(super) fn switch_on<'a>(
    shared: &Shared,
    connection: &Connection,
    collections: impl Iterator<Item = &'a CaptureTriggers>,
) -> Result<()> {
    let names = TakenNames::read(CAPTURE, connection, shared.file())?;
    for triggers in collections {
        for (name, definition) in triggers.names.iter().zip(&triggers.definitions) {
            if let Some(found) = names.get(name) {
                let why = "the name of a trigger that captures writes is taken";
                return Err(errors::foreign(CAPTURE, shared.file(), &found.name, why)
                    .with("kind", &found.kind)
                    .hint("remove it, if it is not needed, or rename it"));
            }
            run(shared, connection, definition)?;
        }
    }
    Ok(())
}

/// # Errors
/// `Unsupported` for a layout that keeps no changes.
pub(super) fn check_layout(
    shared: &Shared,
    operation: &'static str,
    catalog: &Catalog,
) -> Result<()> {
    if catalog.layout >= LAYOUT_WITH_CHANGES {
        return Ok(());
    }
    Err(layout_without_changes(operation, &shared.location, catalog.layout))
}

fn set_capture(shared: &Shared, connection: &Connection, capture: &Capture) -> Result<()> {
    let text = serde_json::to_string(capture).map_err(|source| {
        Error::new(ErrorKind::Invalid, CAPTURE, "the capture cannot be written").caused_by(source)
    })?;
    let sql = format!("UPDATE {} SET \"capture\" = ?1", quote(STORE_TABLE));
    connection
        .execute(&sql, [text])
        .map(drop)
        .map_err(|source| errors::sqlite(CAPTURE, shared.file(), source))
}

/// Notes up to where the log is needed no more.
pub(super) fn set_trimmed(shared: &Shared, connection: &Connection, trimmed: u64) -> Result<()> {
    let sql = format!("UPDATE {} SET \"trimmed\" = max(\"trimmed\", ?1)", quote(STORE_TABLE));
    connection
        .execute(&sql, [i64::try_from(trimmed).unwrap_or(i64::MAX)])
        .map(drop)
        .map_err(|source| errors::sqlite(CAPTURE, shared.file(), source))
}

fn run(shared: &Shared, connection: &Connection, statement: &str) -> Result<()> {
    connection
        .execute_batch(statement)
        .map_err(|source| errors::sqlite(CAPTURE, shared.file(), source))
}

/// A number of the log; there is none below 0.
pub(super) fn place(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
