//! Bringing a store of an older layout to the present one.

use repo_core::Result;
use repo_core::strategy::never_prepared;
use rusqlite::Connection;

use super::fence;
use super::session::Session;
use super::shared::Shared;
use crate::ddl::{digest_statements, upgrade_statements};
use crate::layout::CollectionLayout;
use crate::{Dialect, errors};

pub(super) const OPERATION: &str = "upgrade the layout";

/// Upgrades the store in one transaction: an id, where it has none, and a digest
/// beside each record, which records get when they are next written. Gives the layout that it was in;
/// `None` when there was nothing to do.
pub(super) fn upgrade(session: &mut Session) -> Result<Option<u32>> {
    let shared = std::sync::Arc::clone(session.shared());
    if !shared.file().exists() {
        return Err(never_prepared(OPERATION, &shared.location));
    }
    let connection = session.connection()?;
    let failed = |source| errors::sqlite(OPERATION, shared.file(), source);
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    let upgraded = in_transaction(&shared, connection).and_then(|from| {
        connection.execute_batch("COMMIT").map_err(failed)?;
        Ok(from)
    });
    if upgraded.is_err() {
        // Nothing was written that could stay.
        let _ = connection.execute_batch("ROLLBACK");
    }
    let from = upgraded?;
    shared.known.set(shared.read_catalog(connection)?);
    Ok(from)
}

fn in_transaction(shared: &Shared, connection: &Connection) -> Result<Option<u32>> {
    // Read under the write lock: another process may have been faster.
    let known = shared.read_catalog(connection)?;
    if !known.prepared {
        return Err(never_prepared(OPERATION, &shared.location));
    }
    let mut statements = upgrade_statements(Dialect::Sqlite, known.layout);
    for (name, table) in &known.tables {
        let layout = CollectionLayout::new(Dialect::Sqlite, &table.schema)?;
        let made = known.made.get(name);
        statements
            .extend(made.and_then(|made| digest_statements(&layout, made)).unwrap_or_default());
    }
    if !statements.is_empty() {
        fence::check_rebuild(shared, connection, OPERATION)?;
    }
    for statement in &statements {
        connection
            .execute_batch(statement)
            .map_err(|source| errors::sqlite(OPERATION, shared.file(), source))?;
    }
    Ok((!statements.is_empty()).then_some(known.layout))
}
