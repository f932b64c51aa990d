//! Bringing a store of an older layout to the present one.

use repo_core::{Result, never_prepared};
use rusqlite::Connection;

use super::session::Session;
use super::shared::Shared;
use crate::ddl::upgrade_statements;
use crate::layout::LAYOUT_VERSION;
use crate::{Dialect, errors};

pub(super) const OPERATION: &str = "upgrade the layout";

/// Upgrades the store in one transaction, and gives the layout that it was in;
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
    shared.set_catalog(shared.read_catalog(connection)?);
    Ok(from)
}

fn in_transaction(shared: &Shared, connection: &Connection) -> Result<Option<u32>> {
    // Read under the write lock: another process may have been faster.
    let known = shared.read_catalog(connection)?;
    if !known.prepared {
        return Err(never_prepared(OPERATION, &shared.location));
    }
    if known.layout == LAYOUT_VERSION {
        return Ok(None);
    }
    for statement in upgrade_statements(Dialect::Sqlite, known.layout) {
        connection
            .execute_batch(&statement)
            .map_err(|source| errors::sqlite(OPERATION, shared.file(), source))?;
    }
    Ok(Some(known.layout))
}
