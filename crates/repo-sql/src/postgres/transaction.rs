//! A transaction of several statements.

use diesel::QueryResult;
use repo_core::Result;

use super::connection::{Connection, READ_COMMITTED};
use super::pool::{Lent, Pool};
use super::rows::PgRow;
use super::statement::Statement;
use crate::errors;

/// What a transaction sees.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sees {
    /// Each statement what is committed when it begins.
    Committed,
    /// All statements one state; nothing is written.
    OneState,
}

impl Sees {
    /// The statement that begins it.
    pub(super) fn begin(self) -> &'static str {
        match self {
            Self::Committed => READ_COMMITTED,
            Self::OneState => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        }
    }
}

/// An open transaction. Dropped before its end it closes the connection, and
/// the server rolls it back.
pub(super) struct Transaction {
    connection: Lent,
    operation: &'static str,
    place: String,
}

impl Transaction {
    /// Begins, and runs `first` in the same round trip.
    pub(super) async fn begin(
        pool: &Pool,
        operation: &'static str,
        sees: Sees,
        first: Vec<Statement>,
    ) -> Result<(Self, Vec<Vec<PgRow>>)> {
        let mut connection = pool.get().await?;
        connection.spoil(true);
        let begin = connection.beginning(sees.begin());
        let this = Self { connection, operation, place: pool.place().to_owned() };
        let (begun, rows) =
            futures::future::join(this.connection.run(&begin), this.send(first)).await;
        begun.map_err(|source| this.failed(source))?;
        let rows = rows.map_err(|source| this.failed(source))?;
        Ok((this, rows))
    }

    /// Runs statements in their order, in one round trip.
    pub(super) async fn all(&self, statements: Vec<Statement>) -> Result<Vec<Vec<PgRow>>> {
        self.send(statements).await.map_err(|source| self.failed(source))
    }

    pub(super) async fn rows(&self, statement: Statement) -> Result<Vec<PgRow>> {
        self.connection.rows(statement).await.map_err(|source| self.failed(source))
    }

    pub(super) async fn run(&self, script: &str) -> Result<()> {
        self.connection.run(script).await.map_err(|source| self.failed(source))
    }

    /// For diesel's own queries.
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(super) fn failed(&self, source: diesel::result::Error) -> repo_core::Error {
        errors::postgres(self.operation, &self.place, source)
    }

    async fn send(&self, statements: Vec<Statement>) -> QueryResult<Vec<Vec<PgRow>>> {
        let sent = statements.into_iter().map(|statement| self.connection.rows(statement));
        // All are waited for; the first error in their order is the cause.
        futures::future::join_all(sent).await.into_iter().collect()
    }

    /// # Errors
    /// `OutcomeUnknown` when the connection was lost; otherwise nothing was
    /// written.
    pub(super) async fn commit(self) -> Result<()> {
        let committed = self.connection.run("COMMIT").await;
        self.ended(committed)
    }

    /// Commits after some last statements, in the same round trip. If one of
    /// them fails, the server rolls back instead.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub(super) async fn commit_after(self, mut last: Vec<Statement>) -> Result<()> {
        if last.is_empty() {
            return self.commit().await;
        }
        if !self.connection.keeps_statements() {
            // What is prepared is closed behind its answer, and that before the end.
            self.all(last).await?;
            return self.commit().await;
        }
        // A statement like the others: a message that needs no preparing would
        // overtake those that wait for theirs on a new connection.
        last.push(Statement::made("COMMIT".to_owned(), []));
        let committed = self.send(last).await.map(drop);
        self.ended(committed)
    }

    fn ended(mut self, committed: QueryResult<()>) -> Result<()> {
        match committed {
            Ok(()) => {
                self.connection.spoil(false);
                Ok(())
            }
            Err(source) if errors::is_lost(&source) => {
                Err(errors::outcome_unknown(self.operation, &self.place, source))
            }
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Rolls back; a connection on which that fails is closed.
    pub(super) async fn rollback(mut self) {
        if self.connection.run("ROLLBACK").await.is_ok() {
            self.connection.spoil(false);
        }
    }
}
