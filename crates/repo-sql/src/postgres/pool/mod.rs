//! The connections of one handle: `pool_size` are kept, `max_overflow` more
//! are opened under load and closed when they come back.

pub(super) mod loaders;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    Manager, Metrics, Object, Pool as Connections, PoolError, RecycleError, RecycleResult,
    TimeoutType, Timeouts,
};
use diesel::QueryResult;
use repo_core::{Error, ErrorKind, Result};

use self::loaders::Loaders;
use super::connection::{Connection, Connector, PgRow};
use super::statement::Statement;
use crate::config::SqlSettings;
use crate::errors;

/// Lends connections.
pub(super) struct Pool {
    connections: Connections<Lender>,
    connector: Arc<Connector>,
    keep: usize,
    loaders: Arc<Loaders>,
}

/// Makes and renews connections for the pool.
#[derive(Debug)]
struct Lender {
    connector: Arc<Connector>,
    renew_after: Option<Duration>,
}

impl Manager for Lender {
    type Type = Connection;
    type Error = Error;

    async fn create(&self) -> Result<Connection> {
        self.connector.connect().await
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        metrics: &Metrics,
    ) -> RecycleResult<Error> {
        if connection.is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        if self.renew_after.is_some_and(|age| metrics.age() > age) {
            return Err(RecycleError::message("the connection is to be renewed"));
        }
        Ok(())
    }
}

impl Pool {
    /// # Errors
    /// As [`Connector::new`].
    pub(super) fn new(settings: &SqlSettings, read_only: bool) -> Result<Self> {
        let connector = Arc::new(Connector::new(settings, read_only)?);
        let seconds = |number: u32| Duration::from_secs(u64::from(number));
        let renew_after = (settings.pool_recycle > 0).then(|| seconds(settings.pool_recycle));
        let lender = Lender { connector: Arc::clone(&connector), renew_after };
        let keep = settings.pool_size as usize;
        let timeouts =
            Timeouts { wait: Some(seconds(settings.pool_timeout)), ..Timeouts::default() };
        let connections = Connections::builder(lender)
            .max_size(keep + settings.max_overflow as usize)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|source| {
                Error::new(ErrorKind::ConfigInvalid, "connect", "no pool can be made so")
                    .caused_by(source)
            })?;
        let loaders = Arc::new(Loaders::new(renew_after));
        Ok(Self { connections, connector, keep, loaders })
    }

    pub(super) fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    pub(super) fn place(&self) -> &str {
        &self.connector.place
    }

    /// A connection, waited for up to `pool_timeout`.
    ///
    /// # Errors
    /// `Unavailable` when all stay in use, `Closed` when the pool is; those of
    /// [`Connector::connect`].
    pub(super) async fn get(&self) -> Result<Lent> {
        let _wish = self.loaders.make_room(&self.connections);
        match self.connections.get().await {
            Ok(object) => Ok(Lent {
                object,
                connector: Arc::clone(&self.connector),
                keep: self.keep,
                spoiled: false,
            }),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Timeout(TimeoutType::Wait)) => {
                let most = self.connections.status().max_size;
                Err(errors::no_free_connection(self.place(), most))
            }
            Err(other) => {
                Err(Error::new(ErrorKind::Closed, "connect", "this handle of the store is closed")
                    .with("store", self.place())
                    .caused_by(other))
            }
        }
    }

    /// How many connections there are, in words.
    pub(super) fn status(&self) -> String {
        let most = self.connections.status().max_size;
        format!("{} open of at most {most}", self.connector.open())
    }

    pub(super) fn close(&self) {
        self.connections.close();
        self.loaders.clear();
    }
}

/// A connection that goes back when it is dropped.
pub(super) struct Lent {
    object: Object<Lender>,
    connector: Arc<Connector>,
    keep: usize,
    spoiled: bool,
}

impl Lent {
    /// Whether the connection is closed instead of given back: while it is in
    /// a transaction or a statement, so that nobody goes on in it.
    pub(super) fn spoil(&mut self, spoiled: bool) {
        self.spoiled = spoiled;
    }

    /// The rows that one statement outside a transaction answers. Dropped
    /// before the answer it closes the connection, so that the next one to
    /// borrow it does not wait for what nobody waits for any more.
    pub(super) async fn alone(&mut self, statement: Statement) -> QueryResult<Vec<PgRow>> {
        self.spoil(true);
        let rows = self.object.rows(statement).await;
        self.spoil(false);
        rows
    }

    /// How many rows one statement outside a transaction wrote; dropped, as
    /// [`alone`](Self::alone).
    pub(super) async fn count_alone(&mut self, statement: Statement) -> QueryResult<usize> {
        self.spoil(true);
        let count = self.object.count(statement).await;
        self.spoil(false);
        count
    }
}

impl Deref for Lent {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.object
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.object
    }
}

impl Lent {
    /// Whether more connections are open than are kept.
    fn is_one_too_many(&self) -> bool {
        self.connector.open() > self.keep
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.spoiled || self.is_one_too_many() {
            // The pool throws it out when it comes upon it.
            self.object.close();
        }
    }
}
