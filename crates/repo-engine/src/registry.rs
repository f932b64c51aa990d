//! The strategies that this build knows.

use repo_core::strategy::{MemoryFactory, Registry};

/// Memory, and the strategies of the features that are on.
#[must_use]
pub fn registry() -> Registry {
    let registry = Registry::new().with(MemoryFactory);
    #[cfg(feature = "json")]
    let registry = registry.with(repo_json::JsonFactory);
    #[cfg(feature = "sql")]
    let registry = registry
        .with(repo_sql::SqlFactory)
        .with(repo_sql::SqliteFactory)
        .with(repo_sql::PostgresFactory);
    #[cfg(feature = "dynamodb")]
    let registry = registry.with(repo_dynamo::DynamoFactory);
    registry
}
