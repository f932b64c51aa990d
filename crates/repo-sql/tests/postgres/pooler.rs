//! A pgbouncer of its own before the test server, for a test.

use serde_json::{Map, Value as Json, json};
use tokio_postgres::{Client, NoTls};

use super::script;

/// A running pooler, removed on drop.
pub(crate) struct Pooler {
    name: String,
    url: String,
}

impl Pooler {
    /// # Panics
    /// When it does not start.
    pub(crate) async fn start() -> Self {
        let name = format!("p{:016x}", fastrand::u64(..));
        let url = script::up("pooler", &name).await;
        Self { name, url }
    }

    /// Settings of a store behind it that say `pooler`, with further ones.
    pub(crate) fn settings(&self, pooler: &str, further: &Json) -> Json {
        let mut settings = settings_at(&self.url, pooler);
        settings.extend(further.as_object().cloned().unwrap_or_default());
        settings.into()
    }

    /// Another program's connection through it: the server's may be anybody's.
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
        script::down("pooler", &self.name).await;
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        script::down_at_last("pooler", &self.name);
    }
}

/// Where the pooler of this address is.
///
/// # Panics
/// For anything but `postgresql://HOST:PORT`.
pub(crate) fn settings_at(url: &str, pooler: &str) -> Map<String, Json> {
    let server = url.strip_prefix("postgresql://").and_then(|server| server.rsplit_once(':'));
    let (host, port) = server.expect("a pooler is named by postgresql://HOST:PORT");
    let port: u16 = port.parse().expect("a port");
    let settings = json!({ "host": host, "port": port, "sslmode": "disable", "pooler": pooler });
    settings.as_object().cloned().unwrap_or_default()
}
