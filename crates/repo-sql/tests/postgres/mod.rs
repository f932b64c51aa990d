//! A place on the PostgreSQL server of the tests for each test.
#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

pub(crate) mod database;
pub(crate) mod pooler;
pub(crate) mod proxy;
pub(crate) mod replica;
pub(crate) mod role;
mod script;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use repo_core::strategy::{OpenOptions, StorageStrategy, StrategyFactory as _};
use repo_core::{Key, Result};
use repo_sql::PostgresFactory;
use repo_testkit::Place;
use serde_json::Value as Json;
use tokio_postgres::{Client, NoTls};

/// The store's own tables as the version before layout 3 made them.
pub(crate) const LAYOUT_2: &str = "DROP TABLE _repo_inbox, _repo_changes, _repo_feed, _repo_items, _repo_attributions; \
    ALTER TABLE _repo_store DROP COLUMN capture; ALTER TABLE _repo_store DROP COLUMN history; UPDATE _repo_store SET layout_version = 2; \
    DELETE FROM __diesel_schema_migrations WHERE version = '00000000000003'";

/// The address of the test server.
///
/// # Panics
/// Without one: a missing server fails the tests.
pub(crate) fn server() -> String {
    repo_testkit::servers::postgres()
}

/// A connection as any other tool has it.
pub(crate) async fn tool() -> Client {
    let (client, connection) = tokio_postgres::connect(&server(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Waits until `question`, a query that answers one truth, says yes.
///
/// # Panics
/// When it does not within ten seconds.
pub(crate) async fn eventually(tool: &Client, question: &str) {
    let begin = Instant::now();
    while !tool.query_one(question, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(begin.elapsed() < Duration::from_secs(10), "it never became true: {question}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
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
        // All stores of a run may be reached through a pooler of transactions.
        if let Ok(url) = std::env::var("REPO_TEST_POSTGRES_POOLER_URL") {
            object.extend(pooler::settings_at(&url, "transaction"));
        }
        object.extend(further.as_object().cloned().unwrap_or_default());
        settings
    }

    /// Opens the store of this place with further settings.
    pub(crate) async fn open_with(
        &self,
        further: &Json,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        PostgresFactory.open(&self.settings(further), options).await
    }

    /// A connection as any other tool has it, to the tables of this place.
    pub(crate) async fn tool(&self) -> Client {
        let tool = tool().await;
        let set = format!("SET search_path = {}; SET TIME ZONE 'UTC'", self.schema);
        tool.batch_execute(&set).await.unwrap();
        tool
    }
}

#[async_trait]
impl Place for PostgresPlace {
    async fn open(&self, options: OpenOptions) -> Result<Arc<dyn StorageStrategy>> {
        self.open_with(&Json::Null, options).await
    }

    /// The document, by a number of more digits than one may have.
    async fn spoil(&self, key: &Key) -> bool {
        let number = "1".repeat(40);
        let update = format!(
            "UPDATE {}_records SET document = document || jsonb_build_object('n', {number}) \
             WHERE id = $1",
            key.collection
        );
        self.tool().await.execute(&update, &[&key.id.as_str()]).await.unwrap() == 1
    }
}

impl Drop for PostgresPlace {
    fn drop(&mut self) {
        remove(format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.schema));
    }
}

/// Runs statements when a test is over. A test that failed may still hold
/// locks; then what is to be removed stays.
fn remove(sql: String) {
    run_at_last(format!("SET lock_timeout = '5s'; {sql}"));
}

fn run_at_last(sql: String) {
    // A runtime cannot be blocked from within, so on a thread of its own.
    let removal = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async { tool().await.batch_execute(&sql).await })
    });
    drop(removal.join());
}
