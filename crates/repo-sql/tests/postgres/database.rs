//! A database of its own on the test server.

use serde_json::{Value as Json, json};
use tokio_postgres::{Client, NoTls};

use super::{run_at_last, tool};

/// A database, removed on drop.
pub(crate) struct Database {
    pub(crate) name: String,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let name = format!("d{:016x}", fastrand::u64(..));
        tool().await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        Self { name }
    }

    /// Further settings of a store in it.
    pub(crate) fn settings(&self) -> Json {
        json!({ "name": self.name })
    }

    /// A connection as any other tool has it.
    pub(crate) async fn tool(&self) -> Client {
        let [host, port, user, password, _] = repo_testkit::servers::postgres_parts();
        let url = format!("postgresql://{user}:{password}@{host}:{port}/{}", self.name);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A statement alone: it runs in no transaction.
        run_at_last(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}
