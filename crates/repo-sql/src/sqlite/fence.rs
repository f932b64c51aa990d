//! Whether the store takes what is to be written, and steps of its role: the triggers that
//! keep writers out are made and dropped in the transaction that changes it.

use repo_core::Result;
use repo_core::strategy::{RoleChange, StoreRecord, SystemWrite};
use rusqlite::{Connection, params};

use super::capture::check_layout;
use super::catalog::Catalog;
use super::jobs::Transaction;
use super::role;
use super::shared::Shared;
use crate::errors;
use crate::layout::{CollectionLayout, fence_in_sqlite, fence_names_in_sqlite, lift_in_sqlite};
use crate::names::{STORE_TABLE, quote};
use crate::own_record::role_text;

const CHANGE: &str = "change the role of the store";

/// Whether the store takes a commit. Costs nothing while it is an authority.
///
/// # Errors
/// As [`RoleState::check_commit`].
pub(super) fn check_commit(shared: &Shared, transaction: &Transaction<'_>) -> Result<()> {
    if !transaction.catalog.fenced {
        return Ok(());
    }
    role::read(transaction.connection, shared.file())?.check_commit("commit", &shared.location)
}

/// Whether the handle may write records with their versions.
///
/// # Errors
/// As [`RoleState::check_apply`].
pub(super) fn check_apply(
    shared: &Shared,
    transaction: &Transaction<'_>,
    operation: &'static str,
) -> Result<()> {
    let works_for = shared.options.works_for;
    if !transaction.catalog.fenced && works_for.is_none() {
        return Ok(());
    }
    let role = role::read(transaction.connection, shared.file())?;
    role.check_apply(operation, &shared.location, works_for)
}

/// Whether the handle may write these items of the engine's own.
///
/// # Errors
/// As [`RoleState::check_items`].
pub(super) fn check_items(
    shared: &Shared,
    transaction: &Transaction<'_>,
    operation: &'static str,
    writes: &[SystemWrite],
) -> Result<()> {
    let works_for = shared.options.works_for;
    let anybody_may = !transaction.catalog.fenced && works_for.is_none();
    if anybody_may || !SystemWrite::need_authority(writes) {
        return Ok(());
    }
    let role = role::read(transaction.connection, shared.file())?;
    role.check_items(writes, operation, &shared.location, works_for)
}

/// Whether the handle may change what a live migration would not carry over.
///
/// # Errors
/// As [`RoleState::check_rebuild`].
pub(super) fn check_rebuild(
    shared: &Shared,
    connection: &Connection,
    operation: &'static str,
) -> Result<()> {
    let role = role::read(connection, shared.file())?;
    role.check_rebuild(operation, &shared.location, shared.options.works_for)
}

/// Takes a step.
///
/// # Errors
/// As [`RoleChange::check`]; `Unsupported` for a layout without roles.
pub(super) fn change(
    shared: &Shared,
    transaction: &Transaction<'_>,
    stored: &StoreRecord,
    change: &RoleChange,
) -> Result<()> {
    check_layout(shared, CHANGE, transaction.catalog)?;
    change.check(&stored.role, stored.id, stored.job.as_ref())?;
    transaction.is_last.set(true);
    let connection = transaction.connection;
    make_room(shared, connection)?;
    let fenced = !change.next.takes_writes();
    let sql = format!("UPDATE {} SET \"role\" = ?1, \"fenced\" = ?2", quote(STORE_TABLE));
    connection
        .execute(&sql, params![role_text(&change.next)?, fenced])
        .map_err(|source| errors::sqlite(CHANGE, shared.file(), source))?;
    if fenced != stored.role.takes_writes() {
        return Ok(());
    }
    for table in transaction.catalog.tables.values() {
        let layout = &table.layout;
        match fenced {
            true => fence(shared, connection, layout)?,
            false => lift_in_sqlite(&layout.collection)
                .iter()
                .try_for_each(|statement| run(shared, connection, statement))?,
        }
    }
    Ok(())
}

/// Keeps everybody out of a collection.
pub(super) fn fence(
    shared: &Shared,
    connection: &Connection,
    layout: &CollectionLayout,
) -> Result<()> {
    fence_in_sqlite(&layout.collection, &layout.table)
        .iter()
        .try_for_each(|statement| run(shared, connection, statement))
}

/// Does the work of a live migration behind the fence. Nobody else sees it open.
pub(super) fn behind<T>(
    shared: &Shared,
    transaction: &Transaction<'_>,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    if !transaction.catalog.fenced {
        return work();
    }
    let set = |fenced| {
        let sql = format!("UPDATE {} SET \"fenced\" = {fenced}", quote(STORE_TABLE));
        run(shared, transaction.connection, &sql)
    };
    set(0)?;
    let done = work()?;
    set(1)?;
    Ok(done)
}

/// A writer that no trigger keeps out would write what the successor never gets.
pub(super) fn check_triggers(
    shared: &Shared,
    connection: &Connection,
    catalog: &Catalog,
) -> Result<()> {
    let sql = "SELECT count(*) FROM sqlite_master WHERE \"type\" = 'trigger' AND \"name\" = ?1";
    for name in catalog.tables.keys().flat_map(fence_names_in_sqlite) {
        let found: i64 = connection
            .query_row(sql, [&name], |row| row.get(0))
            .map_err(|source| errors::sqlite(CHANGE, shared.file(), source))?;
        if found == 0 {
            let why = "another tool removed a trigger that keeps writers out";
            return Err(errors::foreign(CHANGE, shared.file(), &name, why).hint(
                "programs may have written to this store since; compare it with its successor",
            ));
        }
    }
    Ok(())
}

/// The columns of the role, which a store has from its first live migration on.
fn make_room(shared: &Shared, connection: &Connection) -> Result<()> {
    let sql = "SELECT count(*) FROM pragma_table_info(?1) WHERE \"name\" = 'role'";
    let there: i64 = connection
        .query_row(sql, [STORE_TABLE], |row| row.get(0))
        .map_err(|source| errors::sqlite(CHANGE, shared.file(), source))?;
    if there > 0 {
        return Ok(());
    }
    let store = quote(STORE_TABLE);
    run(shared, connection, &format!("ALTER TABLE {store} ADD COLUMN \"role\" TEXT"))?;
    let fenced = "\"fenced\" INTEGER NOT NULL DEFAULT 0";
    run(shared, connection, &format!("ALTER TABLE {store} ADD COLUMN {fenced}"))
}

fn run(shared: &Shared, connection: &Connection, statement: &str) -> Result<()> {
    connection
        .execute_batch(statement)
        .map_err(|source| errors::sqlite(CHANGE, shared.file(), source))
}
