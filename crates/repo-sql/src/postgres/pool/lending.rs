//! How the pool lends connections: made, renewed, and given back.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, RecycleError, RecycleResult};
use diesel::QueryResult;
use repo_core::{Error, Result};

use crate::postgres::connection::{Connection, Connector};
use crate::postgres::rows::PgRow;
use crate::postgres::statement::Statement;

/// The connections, those that are lent included.
pub(super) type Connections = deadpool::managed::Pool<Lender>;

/// Makes and renews connections for the pool.
#[derive(Debug)]
pub(super) struct Lender {
    connector: Arc<Connector>,
    renew_after: Option<Duration>,
}

impl Lender {
    /// Renews connections of that age when they are lent again.
    pub(super) fn new(connector: Arc<Connector>, renew_after: Option<Duration>) -> Self {
        Self { connector, renew_after }
    }
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

/// A connection that goes back when it is dropped.
pub(in crate::postgres) struct Lent {
    object: Object<Lender>,
    connector: Arc<Connector>,
    keep: usize,
    spoiled: bool,
}

impl Lent {
    /// `keep`: how many connections stay open when they come back.
    pub(super) fn new(object: Object<Lender>, connector: Arc<Connector>, keep: usize) -> Self {
        Self { object, connector, keep, spoiled: false }
    }

    /// Whether the connection is closed instead of given back: while it is in
    /// a transaction or a statement, so that no other caller continues it.
    pub(in crate::postgres) fn spoil(&mut self, spoiled: bool) {
        self.spoiled = spoiled;
    }

    /// The rows that one statement outside a transaction answers. Dropped
    /// before the answer it closes the connection, so that the next one to
    /// borrow it does not wait for an answer that no caller wants any more.
    pub(in crate::postgres) async fn alone(
        &mut self,
        statement: Statement,
    ) -> QueryResult<Vec<PgRow>> {
        self.spoil(true);
        let rows = self.object.rows_alone(statement).await;
        self.spoil(false);
        rows
    }

    /// How many rows one statement outside a transaction wrote; dropped, as
    /// [`alone`](Self::alone).
    pub(in crate::postgres) async fn count_alone(
        &mut self,
        statement: Statement,
    ) -> QueryResult<usize> {
        self.spoil(true);
        let count = self.object.count_alone(statement).await;
        self.spoil(false);
        count
    }
}

impl Lent {
    /// Runs a command that the server takes in no transaction, and that names what it is
    /// about with its schema; dropped, as [`alone`](Self::alone).
    pub(in crate::postgres) async fn command(&mut self, command: &str) -> QueryResult<()> {
        self.spoil(true);
        let done = self.object.run(command).await;
        self.spoil(false);
        done
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
    pub(super) fn is_one_too_many(&self) -> bool {
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
