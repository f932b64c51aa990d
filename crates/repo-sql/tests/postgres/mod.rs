//! A place on the PostgreSQL server of the tests for each test.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::{OpenOptions, Result, StorageStrategy, StrategyFactory as _};
use repo_sql::PostgresFactory;
use repo_testkit::Place;
use serde_json::Value as Json;
use tokio_postgres::{Client, NoTls};

/// The address of the test server.
///
/// # Panics
/// Without one: a missing server fails the tests.
pub(crate) fn server() -> String {
    std::env::var("REPO_TEST_POSTGRES_URL").unwrap_or_else(|_| {
        panic!(
            "REPO_TEST_POSTGRES_URL is not set: start PostgreSQL with `scripts/services up` and \
             take its address from `scripts/services env`"
        )
    })
}

/// A connection as any other tool has it.
pub(crate) async fn tool() -> Client {
    let (client, connection) = tokio_postgres::connect(&server(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A schema of its own, removed on drop.
pub(crate) struct PostgresPlace {
    pub(crate) schema: String,
}

impl PostgresPlace {
    pub(crate) fn new() -> Self {
        Self { schema: format!("t{:016x}", fastrand::u64(..)) }
    }

    /// The settings, with further ones.
    pub(crate) fn settings(&self, further: &Json) -> Json {
        let url = format!("{}?schema={}", server(), self.schema);
        let mut settings = PostgresFactory.settings_from_url(&url).unwrap().unwrap();
        let object = settings.as_object_mut().unwrap();
        object.extend(further.as_object().cloned().unwrap_or_default());
        settings
    }
}

#[async_trait]
impl Place for PostgresPlace {
    async fn open(&self, options: OpenOptions) -> Result<Arc<dyn StorageStrategy>> {
        PostgresFactory.open(&self.settings(&Json::Null), options).await
    }
}

impl Drop for PostgresPlace {
    fn drop(&mut self) {
        let sql = format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.schema);
        // A runtime cannot be blocked from within, so on a thread of its own.
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async { tool().await.batch_execute(&sql).await })
        });
        drop(removal.join());
    }
}
