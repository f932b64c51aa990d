//! The lock of those who prepare something or switch the capture of changes.

use super::shared::Shared;
use super::statement::{SqlValue, Statement};

/// Held while something is prepared, so that two do not make the same.
/// The number says "repo".
const LOCK: &str = "SELECT pg_advisory_xact_lock(1919250543, hashtext(\u{0}1\u{0}))";

/// Waits until nobody else prepares something in this schema.
pub(super) fn lock(shared: &Shared) -> Statement {
    Statement::made(LOCK.to_owned(), [SqlValue::Text(shared.schema.clone())])
}
