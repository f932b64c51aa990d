//! A replica of the test server by streaming replication, for a test that may pause,
//! promote or kill it.

use std::process::Command;

use serde_json::{Value as Json, json};
use tokio_postgres::{Client, NoTls};

const SERVICES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services");

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
        let url = services("up", &name).await;
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
        services("down", &self.name).await;
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let down = Command::new(SERVICES).args(["replica", "down", &self.name]).output();
        drop(down);
    }
}

/// What the script prints.
async fn services(what: &'static str, name: &str) -> String {
    let name = name.to_owned();
    let run = move || Command::new(SERVICES).args(["replica", what, &name]).output();
    let done = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "scripts/services replica {what}: {said}");
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}
