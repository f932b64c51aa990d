//! Removing a schema in which something was tried.

use repo_core::Result;

use super::connection::Connector;
use crate::config::SqlSettings;
use crate::errors;
use crate::names::quote;

/// What is waited for at most: a handle that was given up may still be at work.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '30s'";

/// Removes a scratch schema with everything in it. Safe to repeat.
///
/// # Errors
/// `Unavailable` for a server that cannot be reached, or while something in the schema is in
/// use; `PermissionDenied` for a schema of another user.
pub(crate) async fn remove_schema(settings: &SqlSettings, schema: &str) -> Result<()> {
    let connection = Connector::new(settings, false, None)?.connect().await?;
    let script = format!("{LOCK_TIMEOUT}; DROP SCHEMA IF EXISTS {} CASCADE", quote(schema));
    let removed = connection.run(&script).await;
    connection.close();
    removed.map_err(|source| {
        errors::postgres("remove a scratch place", &settings.location(), source)
            .with("schema", schema)
            .hint("drop the schema: nothing needs it")
    })
}
