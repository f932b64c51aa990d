//! The contract, on a SQLite database and on a PostgreSQL server.
#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod postgres;

use std::sync::Arc;

use async_trait::async_trait;
use postgres::PostgresPlace;
use repo_core::strategy::{OpenOptions, StorageStrategy, StrategyFactory as _};
use repo_core::{Key, Result};
use repo_sql::SqliteFactory;
use repo_testkit::Place;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

/// A file in a temporary folder.
struct SqlitePlace(TempDir);

impl SqlitePlace {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }
}

#[async_trait]
impl Place for SqlitePlace {
    async fn open(&self, options: OpenOptions) -> Result<Arc<dyn StorageStrategy>> {
        let file = self.0.path().join("store.db");
        SqliteFactory.open(&json!({ "name": file.to_str().unwrap() }), options).await
    }

    /// The document, by a text that is none.
    async fn spoil(&self, key: &Key) -> bool {
        let file = Connection::open(self.0.path().join("store.db")).unwrap();
        file.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
        let table = format!("{}_records", key.collection);
        let update = format!("UPDATE {table} SET document = '{{\"id\":' WHERE id = ?1");
        file.execute(&update, [key.id.as_str()]).unwrap() == 1
    }
}

repo_testkit::conformance!(sqlite, || async { SqlitePlace::new() });
repo_testkit::differential!(answers_as_the_reference_does, || async { SqlitePlace::new() });

repo_testkit::conformance!(postgresql, || async { PostgresPlace::new() });
repo_testkit::differential!(postgres_answers_as_the_reference_does, || async {
    PostgresPlace::new()
});
