//! One connection: how it is made, and what statements answer on it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::QueryResult;
use diesel_async::pooled_connection::PoolableConnection as _;
use diesel_async::{AsyncConnectionCore as _, AsyncPgConnection, SimpleAsyncConnection as _};
use futures::TryStreamExt as _;
use repo_core::Result;
use tokio_postgres::{Client, Config, NoTls, config::SslMode as TlsMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::driver::Driver;
use super::loader::Loader;
use super::rows::PgRow;
use super::statement::Statement;
use super::tls;
use crate::config::{SqlSettings, SslMode};
use crate::errors;
use crate::names::quote;

/// Makes connections to one database.
pub(super) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    timeout: Option<Duration>,
    keep_statements: bool,
    set_up: String,
    /// What each connection for diesel runs once, before it is lent.
    first: Option<Statement>,
    open: Arc<AtomicUsize>,
    pub(super) place: String,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connector").field(&self.place).finish()
    }
}

/// A connection on which diesel keeps prepared statements.
pub(super) struct Connection {
    diesel: AsyncPgConnection,
    driver: Driver,
}

impl Connector {
    /// # Errors
    /// `ConfigInvalid` for root certificates that cannot be read.
    pub(super) fn new(
        settings: &SqlSettings,
        read_only: bool,
        first: Option<Statement>,
    ) -> Result<Self> {
        let timeout = settings.connect_timeout();
        let mut config = Config::new();
        config
            .host(&settings.host)
            .port(settings.port_or_default())
            .user(&settings.username)
            .dbname(&settings.name)
            .application_name("repository")
            .ssl_mode(match settings.sslmode {
                SslMode::Disable => TlsMode::Disable,
                SslMode::Prefer => TlsMode::Prefer,
                SslMode::Require | SslMode::VerifyFull => TlsMode::Require,
            })
            .keepalives_idle(Duration::from_secs(30));
        if !settings.password.expose().is_empty() {
            config.password(settings.password.expose());
        }
        if let Some(timeout) = timeout {
            // Also how long sent data may stay without an acknowledgement.
            config.connect_timeout(timeout).tcp_user_timeout(timeout);
        }
        Ok(Self {
            config,
            tls: tls::connector(settings)?,
            timeout,
            keep_statements: settings.enable_query_cache,
            set_up: set_up(settings, read_only),
            first,
            open: Arc::default(),
            place: settings.location(),
        })
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Connects, within the timeout of the settings.
    ///
    /// # Errors
    /// `Unavailable` for a server that cannot be reached, `PermissionDenied`
    /// for a refused login or certificate, `NotFound` for a missing database.
    pub(super) async fn connect(&self) -> Result<Connection> {
        self.in_time(self.connect_at_last()).await
    }

    /// The same, for what diesel has no words for.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub(super) async fn connect_loader(&self) -> Result<Loader> {
        self.in_time(self.connect_loader_at_last()).await
    }

    async fn in_time<T>(&self, connecting: impl Future<Output = Result<T>>) -> Result<T> {
        match self.timeout {
            None => connecting.await,
            Some(timeout) => tokio::time::timeout(timeout, connecting)
                .await
                .unwrap_or_else(|_| Err(errors::timed_out(&self.place, timeout))),
        }
    }

    /// A connection on which nothing is set up yet.
    async fn begin(&self) -> Result<(Client, Driver)> {
        let failed = |source| errors::cannot_connect(&self.place, source);
        Ok(match &self.tls {
            None => {
                let (client, driver) = self.config.connect(NoTls).await.map_err(failed)?;
                (client, Driver::start(&self.open, driver))
            }
            Some(tls) => {
                let (client, driver) = self.config.connect(tls.clone()).await.map_err(failed)?;
                (client, Driver::start(&self.open, driver))
            }
        })
    }

    async fn connect_at_last(&self) -> Result<Connection> {
        let (client, driver) = self.begin().await?;
        let mut connection = AsyncPgConnection::try_from(client).await.map_err(|source| {
            let source = match source {
                diesel::ConnectionError::CouldntSetupConfiguration(source) => source,
                other => diesel::result::Error::QueryBuilderError(other.into()),
            };
            errors::postgres("connect", &self.place, source)
        })?;
        if !self.keep_statements {
            use diesel_async::AsyncConnection as _;
            connection.set_prepared_statement_cache_size(diesel::connection::CacheSize::Disabled);
        }
        connection
            .batch_execute(&self.set_up)
            .await
            .map_err(|source| errors::postgres("connect", &self.place, source))?;
        // Only some users and servers can; the others work without.
        for wish in WISHES {
            let _ = connection.batch_execute(wish).await;
        }
        let connection = Connection { diesel: connection, driver };
        if let Some(first) = self.first.clone() {
            connection
                .rows(first)
                .await
                .map_err(|source| errors::postgres("connect", &self.place, source))?;
        }
        Ok(connection)
    }

    async fn connect_loader_at_last(&self) -> Result<Loader> {
        let (client, driver) = self.begin().await?;
        let failed = |source| errors::cannot_connect(&self.place, source);
        client.batch_execute(&self.set_up).await.map_err(failed)?;
        for wish in WISHES {
            let _ = client.batch_execute(wish).await;
        }
        Ok(Loader::new(client, driver, self.keep_statements))
    }
}

/// What a connection would like to have: errors in English, by which they are
/// recognised; a server that looks, while it works, whether we are still there
/// (PostgreSQL 14), so that a call that was dropped ends there too; and rows that
/// a policy hides from this user as an error, never left out in silence.
const WISHES: [&str; 3] = [
    "SET lc_messages = 'C'",
    "SET client_connection_check_interval = '1s'",
    "SET row_security = off",
];

/// What every connection begins with.
fn set_up(settings: &SqlSettings, read_only: bool) -> String {
    // Never off: the server may be set to take no writes from this user. Values
    // of other programs' tables are read as text, which has to be one and exact.
    // A server that knows no encoding would refuse a whole page for one value:
    // it gives the bytes as they are, and each row is looked at.
    let read_only = if read_only {
        "; SET default_transaction_read_only = on; SET extra_float_digits = 1; \
         SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'; \
         SELECT set_config('client_encoding', 'SQL_ASCII', false) \
         WHERE current_setting('server_encoding') = 'SQL_ASCII'"
    } else {
        ""
    };
    format!(
        "SET search_path = {}; SET standard_conforming_strings = on; \
         SET default_transaction_isolation = 'read committed'{read_only}",
        quote(&settings.schema)
    )
}

impl Connection {
    /// The connection itself, for diesel's own queries.
    pub(super) fn diesel(&mut self) -> &mut AsyncPgConnection {
        &mut self.diesel
    }

    /// The connection itself, for what needs to own it.
    pub(super) fn into_diesel(self) -> AsyncPgConnection {
        self.diesel
    }

    /// Whether it is known to be of no use any more.
    pub(super) fn is_closed(&mut self) -> bool {
        self.driver.is_closed() || self.diesel.is_broken()
    }

    /// Closes it at once, whatever is under way: the server rolls back.
    pub(super) fn close(&self) {
        self.driver.close();
    }

    /// The rows that a statement answers. Futures of one connection that are
    /// polled together are sent together and done in their order.
    pub(super) async fn rows(&self, statement: Statement) -> QueryResult<Vec<PgRow>> {
        let mut connection = &self.diesel;
        connection.load(statement).await?.try_collect().await
    }

    /// How many rows a statement wrote.
    pub(super) async fn count(&self, statement: Statement) -> QueryResult<usize> {
        let mut connection = &self.diesel;
        connection.execute_returning_count(statement).await
    }

    /// Runs statements without values, in one message.
    pub(super) async fn run(&self, script: &str) -> QueryResult<()> {
        let mut connection = &self.diesel;
        connection.batch_execute(script).await
    }
}
