//! The lock of those who prepare something or switch the capture of changes.

use super::shared::Shared;
use super::statement::Statement;
use crate::names::{OBJECTS_TABLE, quote};

/// Waits until nobody else prepares something in this store, which has its own tables.
/// The lock is on a table that nobody else writes to, and goes with the transaction:
/// advisory locks do not go through every pool of connections, and mean nothing on some
/// servers that have their functions. Who reads the table does not wait.
pub(super) fn lock(shared: &Shared) -> Statement {
    let objects = format!("{}.{}", quote(&shared.schema), quote(OBJECTS_TABLE));
    Statement::made(format!("LOCK TABLE {objects} IN SHARE ROW EXCLUSIVE MODE"), [])
}
