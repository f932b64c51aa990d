//! One connection: how it is made, and what statements answer on it.
//!
//! Through a pooler of transactions (decision 0371) a connection is no session: each
//! transaction may meet another connection of the server, which others use before and
//! after. So nothing is set for longer than a transaction, and each statement is in one;
//! what is prepared is closed before the transaction ends.

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
use super::session::{SERVER_ENCODING, Session, UNPOOLED};
use super::statement::Statement;
use super::tls;
use crate::config::{Pooler, SqlSettings, SslMode};
use crate::errors;

/// Begins a transaction whose statements see what is committed when each begins.
pub(super) const READ_COMMITTED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Makes connections to one database.
pub(super) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    timeout: Option<Duration>,
    keep_statements: bool,
    pooler: Pooler,
    session: Session,
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
    /// What each transaction begins with, where that is not kept between them.
    prologue: Option<String>,
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
        if settings.pooler == Pooler::None {
            config.options(UNPOOLED);
        }
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
            keep_statements: settings.enable_query_cache && settings.pooler.keeps_sessions(),
            pooler: settings.pooler,
            session: Session::new(settings, read_only),
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

    /// Whether the server keeps for a connection what is set and prepared on it.
    pub(super) fn keeps_sessions(&self) -> bool {
        self.pooler.keeps_sessions()
    }

    /// A connection on which nothing is set up yet, and the encoding of the database.
    async fn begin(&self) -> Result<(Client, Driver, Option<String>)> {
        let failed = |source| errors::cannot_connect(&self.place, source);
        Ok(match &self.tls {
            None => {
                let (client, driver) = self.config.connect(NoTls).await.map_err(failed)?;
                let encoding = driver.parameter(SERVER_ENCODING).map(str::to_owned);
                (client, Driver::start(&self.open, driver), encoding)
            }
            Some(tls) => {
                let (client, driver) = self.config.connect(tls.clone()).await.map_err(failed)?;
                let encoding = driver.parameter(SERVER_ENCODING).map(str::to_owned);
                (client, Driver::start(&self.open, driver), encoding)
            }
        })
    }

    async fn connect_at_last(&self) -> Result<Connection> {
        let (client, driver, encoding) = self.begin().await?;
        if !self.keeps_sessions() {
            // Diesel prepares what it sets up: in a transaction that is rolled back.
            let failed = |source| errors::cannot_connect(&self.place, source);
            client.batch_execute("BEGIN").await.map_err(failed)?;
        }
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
        let mut connection = Connection { diesel: connection, driver, prologue: None };
        let failed = |source| errors::postgres("connect", &self.place, source);
        if self.keeps_sessions() {
            connection.run(&self.session.set_up()).await.map_err(failed)?;
            // Only some users and servers can; the others work without.
            for wish in Session::WISHES {
                let _ = connection.run(&format!("SET {wish}")).await;
            }
        } else {
            connection.run("ROLLBACK").await.map_err(failed)?;
            let granted = connection.granted().await.map_err(failed)?;
            connection.prologue = Some(self.session.prologue(&granted, encoding.as_deref()));
        }
        if let Some(first) = self.first.clone() {
            connection.rows_alone(first).await.map_err(failed)?;
        }
        Ok(connection)
    }

    async fn connect_loader_at_last(&self) -> Result<Loader> {
        let (client, driver, _) = self.begin().await?;
        let failed = |source| errors::cannot_connect(&self.place, source);
        client.batch_execute(&self.session.set_up()).await.map_err(failed)?;
        for wish in Session::WISHES {
            let _ = client.batch_execute(&format!("SET {wish}")).await;
        }
        Ok(Loader::new(client, driver, self.keep_statements))
    }
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

    /// The statement that begins a transaction, with what that one has to set up.
    pub(super) fn beginning(&self, begin: &str) -> String {
        match &self.prologue {
            None => begin.to_owned(),
            Some(prologue) => format!("{begin}; {prologue}"),
        }
    }

    /// Whether what is prepared stays from one transaction to the next.
    pub(super) fn keeps_statements(&self) -> bool {
        self.prologue.is_none()
    }

    /// Sets up a transaction that somebody else began.
    pub(super) async fn set_up_transaction(&self) -> QueryResult<()> {
        match &self.prologue {
            None => Ok(()),
            Some(prologue) => self.run(prologue).await,
        }
    }

    /// The wishes that this user and server grant within a transaction.
    async fn granted(&self) -> QueryResult<Vec<&'static str>> {
        let mut granted = Vec::new();
        for wish in Session::WISHES {
            let wished = format!("BEGIN; SET LOCAL {wish}");
            let (set, ended) = futures::future::join(self.run(&wished), self.run("ROLLBACK")).await;
            ended?;
            granted.extend(set.is_ok().then_some(wish));
        }
        Ok(granted)
    }

    /// The rows of one statement that is in no transaction, as far as the caller sees.
    pub(super) async fn rows_alone(&self, statement: Statement) -> QueryResult<Vec<PgRow>> {
        self.alone(self.rows(statement)).await
    }

    /// How many rows such a statement wrote.
    pub(super) async fn count_alone(&self, statement: Statement) -> QueryResult<usize> {
        self.alone(self.count(statement)).await
    }

    /// Where a statement alone would meet any connection of the server, in any state: in a
    /// transaction of its own.
    async fn alone<T>(&self, statement: impl Future<Output = QueryResult<T>>) -> QueryResult<T> {
        if self.prologue.is_none() {
            return statement.await;
        }
        let begin = self.beginning(READ_COMMITTED);
        let (begun, done) = futures::future::join(self.run(&begin), statement).await;
        match begun.and(done) {
            Ok(done) => self.run("COMMIT").await.map(|()| done),
            Err(source) => {
                if self.run("ROLLBACK").await.is_err() {
                    self.close();
                }
                Err(source)
            }
        }
    }

    /// The rows that a statement answers. Futures of one connection that are
    /// polled together are sent together and done in their order.
    pub(super) async fn rows(&self, statement: Statement) -> QueryResult<Vec<PgRow>> {
        let mut connection = &self.diesel;
        let rows = connection.load(statement).await?.map_ok(PgRow::Held);
        if self.keeps_statements() {
            return rows.try_collect().await;
        }
        // A row would keep the statement open beyond the end of its transaction.
        rows.map_ok(PgRow::detached).try_collect().await
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
