//! The settings under `storage.sql_strategy`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use repo_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::names::MAX_NAME_BYTES;
use crate::server_address::server_of;

/// Most replicas of a server.
const MOST_REPLICAS: usize = 16;

/// Where the settings stand.
pub(crate) const SETTINGS_AT: &str = "storage.sql_strategy";

/// The settings of the SQL strategy. SQLite uses `type`, `name`, `pool_size`,
/// `max_overflow` and `timeout`; the others are accepted, so that one block
/// serves both kinds of database, and have no effect on it. PostgreSQL uses
/// all of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SqlSettings {
    /// The kind of database.
    #[serde(rename = "type")]
    pub database: SqlType,
    /// SQLite: the file, relative to the working folder. PostgreSQL: the
    /// database.
    pub name: String,
    /// The server: a name, an address, or the folder of its socket. Empty:
    /// `localhost`. No effect on SQLite.
    pub host: String,
    /// The server's port; 0 is the usual one, 5432. No effect on SQLite.
    pub port: u16,
    /// The user to log in as. No effect on SQLite.
    pub username: String,
    /// The password to log in with. No effect on SQLite.
    pub password: Secret,
    /// Connections kept open for reading, 1 or more.
    #[cfg_attr(test, schemars(range(min = 1, max = 1_000)))]
    pub pool_size: u32,
    /// Connections opened beyond that under load.
    #[cfg_attr(test, schemars(range(max = 1_000)))]
    pub max_overflow: u32,
    /// SQLite: seconds to wait for a lock that another process holds.
    /// PostgreSQL: seconds in which a connection has to be made; 0 for any
    /// time.
    #[cfg_attr(test, schemars(range(max = 86_400)))]
    pub timeout: u32,
    /// Seconds to wait for a connection when all are in use. No effect on
    /// SQLite.
    #[cfg_attr(test, schemars(range(max = 86_400)))]
    pub pool_timeout: u32,
    /// Seconds after which a connection is renewed; 0 for never. No effect on
    /// SQLite.
    pub pool_recycle: u32,
    /// Whether each connection keeps its prepared statements. SQLite always
    /// does.
    pub enable_query_cache: bool,
    /// The schema of the database in which the tables are. No effect on SQLite.
    pub schema: String,
    /// Whether the connection is encrypted. No effect on SQLite.
    pub sslmode: SslMode,
    /// A file of root certificates in PEM form, for `verify-full`; empty for
    /// those of the system. No effect on SQLite.
    pub sslrootcert: String,
    /// Replicas of the server, each as `postgresql://HOST:PORT`: its standbys by streaming
    /// replication, which have its users and databases. Reads that need not be strong go to
    /// them. At most 16. No effect on SQLite.
    #[cfg_attr(test, schemars(length(max = 16)))]
    pub replicas: Vec<String>,
    /// How many milliseconds eventual reads of a replica may be old; 10 to 3,600,000. No
    /// effect without replicas.
    #[cfg_attr(test, schemars(range(min = 10, max = 3_600_000)))]
    pub max_staleness_ms: u32,
    /// What stands between here and the server. No effect on SQLite.
    pub pooler: Pooler,
}

/// A pooler of connections before a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Pooler {
    /// Nothing: the server itself. A pooler refuses such a connection.
    #[default]
    None,
    /// One that keeps a connection of the server for each of ours, as pgbouncer does
    /// with `pool_mode = session`.
    Session,
    /// One that gives each transaction any connection of the server, as pgbouncer does
    /// with `pool_mode = transaction`.
    Transaction,
}

impl Pooler {
    /// Whether what is set and prepared on a connection stays there.
    pub(crate) fn keeps_sessions(self) -> bool {
        self != Self::Transaction
    }
}

/// Whether a connection is encrypted, and who may be at its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server can, without asking who it is.
    #[default]
    Prefer,
    /// Always encrypted, without asking who the server is.
    Require,
    /// Always encrypted, with a server that has a trusted certificate for
    /// `host`.
    VerifyFull,
}

/// A kind of SQL database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SqlType {
    /// One file, in this process.
    #[default]
    Sqlite,
    /// A server.
    Postgresql,
}

/// Text that no message shows.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the login.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "***" })
    }
}

impl Default for SqlSettings {
    fn default() -> Self {
        Self {
            database: SqlType::Sqlite,
            name: "request_database.db".to_owned(),
            host: String::new(),
            port: 0,
            username: String::new(),
            password: Secret::default(),
            pool_size: 5,
            max_overflow: 10,
            timeout: 30,
            pool_timeout: 30,
            pool_recycle: 3_600,
            enable_query_cache: true,
            schema: "public".to_owned(),
            sslmode: SslMode::default(),
            sslrootcert: String::new(),
            replicas: Vec::new(),
            max_staleness_ms: 1_000,
            pooler: Pooler::default(),
        }
    }
}

impl SqlSettings {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// `ConfigInvalid` for an unknown key or a value out of range.
    pub(crate) fn read(settings: &Json) -> Result<Self> {
        repo_core::strategy::read_settings::<Self>(SETTINGS_AT, settings)?.checked()
    }

    /// Checks settings that a program made, for the kind of database that it opens.
    ///
    /// # Errors
    /// `ConfigInvalid` for another kind or a value out of range.
    pub(crate) fn checked_as(self, database: SqlType) -> Result<Self> {
        if self.database != database {
            let why = format!("`database` is {:?}, and this opens {database:?}", self.database);
            return Err(refuse("type", why));
        }
        self.checked()
    }

    fn checked(mut self) -> Result<Self> {
        if self.database == SqlType::Postgresql && self.host.is_empty() {
            self.host.push_str("localhost");
        }
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<()> {
        let limits = [
            ("pool_size", self.pool_size, 1, 1_000),
            ("max_overflow", self.max_overflow, 0, 1_000),
            ("timeout", self.timeout, 0, 86_400),
            ("pool_timeout", self.pool_timeout, 0, 86_400),
            ("max_staleness_ms", self.max_staleness_ms, 10, 3_600_000),
        ];
        for (name, value, least, most) in limits {
            if !(least..=most).contains(&value) {
                return Err(
                    refuse(name, format!("{name} is from {least} to {most}")).with("value", value)
                );
            }
        }
        if self.name.contains("://") {
            // Not quoted in the error: a URL may hold a password.
            return Err(refuse("name", "name is a file, and this is a URL"));
        }
        if self.database == SqlType::Postgresql {
            return self.check_server();
        }
        if self.name.is_empty() || self.name.contains('\0') {
            return Err(refuse("name", "name is the path of the database file"));
        }
        if self.name == ":memory:" {
            return Err(refuse("name", "a database in memory is not supported here")
                .hint("name a file, or use the memory strategy"));
        }
        Ok(())
    }

    fn check_server(&self) -> Result<()> {
        for (name, value) in [("name", &self.name), ("username", &self.username)] {
            // The default names a file.
            if value.is_empty() || *value == Self::default().name {
                return Err(refuse(name, format!("{name} is not set"))
                    .hint("a PostgreSQL store needs host, name, username and password"));
            }
        }
        let texts = [&self.name, &self.username, &self.host, &self.schema];
        if texts.iter().any(|text| text.contains('\0')) || self.password.0.contains('\0') {
            return Err(refuse("", "a setting holds the character U+0000"));
        }
        if self.schema.is_empty() || self.schema.starts_with("pg_") {
            return Err(refuse("schema", "schema names a schema of one's own, such as public"));
        }
        if self.schema.len() > MAX_NAME_BYTES {
            return Err(refuse("schema", "schema has at most 63 bytes"));
        }
        if !self.sslrootcert.is_empty() && self.sslmode != SslMode::VerifyFull {
            return Err(refuse("sslrootcert", "root certificates are used by verify-full only")
                .hint("set sslmode to verify-full, or leave sslrootcert out"));
        }
        if self.replicas.len() > MOST_REPLICAS {
            return Err(refuse("replicas", format!("replicas are at most {MOST_REPLICAS}"))
                .with("replicas", self.replicas.len()));
        }
        if self.pooler == Pooler::Transaction && !self.replicas.is_empty() {
            // The check of a replica and the read that it covers need one connection.
            return Err(refuse(
                "replicas",
                "replicas are not read from through a pooler of \
                 transactions",
            )
            .hint(
                "leave `replicas` out, or let a program that reads from them connect to \
                 the servers themselves, without `pooler`",
            ));
        }
        self.of_replicas().map(drop)
    }

    /// The settings of each replica: those of its primary server at another address.
    ///
    /// # Errors
    /// `ConfigInvalid` for an address that is none.
    pub(crate) fn of_replicas(&self) -> Result<Vec<Self>> {
        let of = |url: &String| {
            let (host, port) = server_of(url).ok_or_else(|| {
                // Not quoted in the error: it may hold a password.
                refuse("replicas", "a replica is named by nothing but its address")
                    .hint("write postgresql://HOST:PORT; the rest is as for the primary server")
            })?;
            Ok(Self { host, port, replicas: Vec::new(), ..self.clone() })
        };
        self.replicas.iter().map(of).collect()
    }

    /// How old eventual reads of a replica may be.
    pub(crate) fn max_staleness(&self) -> Duration {
        Duration::from_millis(u64::from(self.max_staleness_ms))
    }

    /// The port of the server.
    pub(crate) fn port_or_default(&self) -> u16 {
        if self.port == 0 { 5_432 } else { self.port }
    }

    /// How long making a connection may take.
    pub(crate) fn connect_timeout(&self) -> Option<Duration> {
        (self.timeout > 0).then(|| Duration::from_secs(u64::from(self.timeout)))
    }

    /// Where a database on a server is, without user and password.
    pub(crate) fn location(&self) -> String {
        let port = self.port_or_default();
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let schema = match self.schema.as_str() {
            "public" => String::new(),
            schema => format!("?schema={schema}"),
        };
        format!("postgresql://{host}:{port}/{}{schema}", self.name)
    }

    /// The file of a SQLite database.
    pub(crate) fn file(&self) -> PathBuf {
        PathBuf::from(&self.name)
    }

    /// How long to wait for a lock.
    pub(crate) fn busy_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout))
    }
}

/// The error for the value of one setting.
pub(crate) fn refuse(setting: &str, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "read the configuration", why)
        .with("at", format!("{SETTINGS_AT}.{setting}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_blocks_that_operators_have_load() {
        let sqlite = json!({
            "type": "sqlite", "name": "request_database.db", "host": "", "port": 0,
            "pool_size": 5, "max_overflow": 10, "timeout": 30
        });
        assert_eq!(SqlSettings::read(&sqlite).unwrap(), SqlSettings::default());
        let tuned = json!({
            "pool_size": 20, "max_overflow": 30, "pool_timeout": 30, "pool_recycle": 3600,
            "enable_query_cache": true
        });
        assert_eq!(SqlSettings::read(&tuned).unwrap().pool_size, 20);
        let server = json!({
            "type": "postgresql", "host": "localhost", "port": 5432, "name": "hostfactory",
            "username": "hostfactory_user", "password": "hunter2", "pool_size": 20,
            "max_overflow": 30, "timeout": 60
        });
        let server = SqlSettings::read(&server).unwrap();
        assert_eq!(server.location(), "postgresql://localhost:5432/hostfactory");
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        for (name, value) in [
            ("pool_size", json!(0)),
            ("pool_size", json!(1_001)),
            ("timeout", json!(-1)),
            ("timeout", json!(86_401)),
            ("max_staleness_ms", json!(9)),
            ("max_overflow", json!("many")),
            ("port", json!(65_536)),
            ("name", json!("")),
            ("name", json!(":memory:")),
            ("type", json!("oracle")),
            ("pooler", json!("statement")),
            ("pool_sise", json!(5)),
        ] {
            let error = SqlSettings::read(&json!({ name: value })).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{name}: {error}");
            let at = error.context_value("at").unwrap();
            assert!(at.starts_with(SETTINGS_AT), "{name}: {at}");
        }
        let error = SqlSettings::read(&json!({ "pool_sise": 5 })).unwrap_err();
        assert_eq!(error.hint_text(), Some("did you mean `pool_size`?"));
    }

    #[test]
    fn a_replica_has_what_its_primary_has_at_another_address() {
        let with = |replicas: Json| {
            SqlSettings::read(&json!({
                "type": "postgresql", "host": "one", "port": 5433, "name": "store",
                "username": "me", "password": "hunter2", "replicas": replicas,
            }))
        };
        let given = json!(["postgresql://two:6543", "postgresql://three"]);
        let each = with(given).unwrap().of_replicas().unwrap();
        let servers: Vec<(&str, u16)> =
            each.iter().map(|of| (of.host.as_str(), of.port_or_default())).collect();
        assert_eq!(servers, [("two", 6_543), ("three", 5_432)]);
        assert!(each.iter().all(|of| of.name == "store" && of.password.expose() == "hunter2"));
        for wrong in [json!(["postgresql://me:hunter3@two"]), json!(vec!["postgresql://two"; 17])] {
            let error = with(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
            assert!(error.context_value("at").unwrap().ends_with(".replicas"), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter"), "{error:?}");
        }
    }

    #[test]
    fn replicas_are_not_read_from_through_a_pooler_of_transactions() {
        let with = |pooler: &str| {
            SqlSettings::read(&json!({
                "type": "postgresql", "host": "one", "name": "store", "username": "me",
                "replicas": ["postgresql://two"], "pooler": pooler,
            }))
        };
        assert!(with("session").is_ok());
        let error = with("transaction").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
        assert!(error.context_value("at").unwrap().ends_with(".replicas"), "{error}");
    }

    #[test]
    fn a_password_is_never_shown() {
        let settings: SqlSettings =
            serde_json::from_value(json!({ "password": "hunter2" })).unwrap();
        assert_eq!(settings.password.expose(), "hunter2");
        assert!(!format!("{settings:?}").contains("hunter2"));
        let url = json!({ "name": "postgresql://user:hunter2@host/db" });
        let error = SqlSettings::read(&url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
