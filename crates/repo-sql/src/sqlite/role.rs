//! The role of the store: whether it takes writes, and from whom.

use std::path::Path;

use repo_core::Result;
use repo_core::strategy::RoleState;
use rusqlite::Connection;

use crate::errors;
use crate::names::{STORE_TABLE, quote};
use crate::own_record::role_of;

const READ: &str = "read the store's record";

/// Reads the role of a prepared store. One that never took part in a live migration has
/// no column for it.
pub(super) fn read(connection: &Connection, file: &Path) -> Result<RoleState> {
    let sql = format!("SELECT * FROM {}", quote(STORE_TABLE));
    let text: Option<String> = connection
        .query_row(&sql, [], |row| match row.as_ref().column_index("role") {
            Ok(column) => row.get(column),
            Err(_) => Ok(None),
        })
        .map_err(|source| errors::sqlite(READ, file, source))?;
    role_of(text.as_deref()).map_err(|error| error.with("file", file.display()))
}
