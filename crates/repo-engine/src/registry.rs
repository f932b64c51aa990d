//! The strategies that this build knows.

use repo_core::strategy::{MemoryFactory, Registry};

use crate::left_out;

/// Memory, and every strategy that the project knows. One whose cargo feature is
/// off takes its settings unread and refuses to open (`Unsupported`), with the
/// feature in the hint.
#[must_use]
pub fn registry() -> Registry {
    let registry = left_out::all().into_iter().fold(Registry::new(), Registry::with);
    let registry = registry.with(MemoryFactory);
    #[cfg(all(feature = "json", not(feature = "files")))]
    let registry = registry.with(repo_json::JsonFactory);
    #[cfg(all(feature = "json", feature = "files"))]
    let registry = registry.with(crate::json_files::JsonFilesFactory);
    #[cfg(feature = "files")]
    let registry = registry.with(repo_source::FilesFactory);
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    let registry = registry
        .with(repo_sql::SqlFactory)
        .with(repo_sql::SqliteFactory)
        .with(repo_sql::PostgresFactory);
    #[cfg(feature = "dynamodb")]
    let registry = registry.with(repo_dynamo::DynamoFactory);
    #[cfg(feature = "object")]
    let registry = registry.with(repo_object::ObjectFactory);
    registry
}
