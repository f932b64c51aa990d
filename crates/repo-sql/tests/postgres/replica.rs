//! A replica of the test server by streaming replication, for a test that may pause,
//! promote or kill it.

use serde_json::{Value as Json, json};
use tokio_postgres::{Client, NoTls};

use super::script;

/// A running replica, removed on drop.
pub(crate) struct Replica {
    name: String,
    url: String,
}

impl Replica {
    /// # Panics
    /// When it does not start: it is made of the server that `scripts/services` started.
    pub(crate) async fn start() -> Self {
        let name = format!("r{:016x}", fastrand::u64(..));
        let url = script::up("replica", &name).await;
        Self { name, url }
    }

    /// Further settings of a store that reads from it.
    pub(crate) fn settings(&self, max_staleness_ms: u32) -> Json {
        json!({ "replicas": [self.url], "max_staleness_ms": max_staleness_ms })
    }

    /// A connection as any other tool has it.
    pub(crate) async fn tool(&self) -> Client {
        let [_, _, user, password, database] = repo_testkit::servers::postgres_parts();
        let server = self.url.strip_prefix("postgresql://").unwrap();
        let url = format!("postgresql://{user}:{password}@{server}/{database}");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Stops it as a failing machine would.
    pub(crate) async fn kill(&self) {
        script::down("replica", &self.name).await;
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        script::down_at_last("replica", &self.name);
    }
}
