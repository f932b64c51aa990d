//! One replica: whether it is far enough, and what it answers.

use std::time::Duration;

use diesel::QueryResult;
use futures::future::join;
use repo_core::{Error, ErrorKind, Result};

use super::samples::Position;
use crate::config::SqlSettings;
use crate::errors;
use crate::postgres::guess::Guess;
use crate::postgres::pool::Pool;
use crate::postgres::rows::{PgRow, number_at, text_at, truth_at};
use crate::postgres::statement::Statement;

/// How long a read waits for a connection before it goes to the primary server.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a server says of itself. It is the statement before the one that it is about: in
/// `read committed` that one begins to see after this one was answered. Both in one
/// statement would be wrong, because its rows are chosen before its functions are called.
const CHECK: &str = "SELECT pg_is_in_recovery(), \
     coalesce(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint, -1), \
     (SELECT system_identifier::text FROM pg_control_system()), \
     (SELECT timeline_id::bigint FROM pg_control_checkpoint())";

/// A server that repeats what the primary one does.
pub(super) struct Replica {
    pool: Pool,
    /// Whether it is there and far enough.
    ready: Guess,
}

/// What a server said of itself.
struct Said {
    in_recovery: bool,
    at: Option<u64>,
    cluster: String,
    /// That of its last checkpoint, or an older one.
    timeline: Option<u64>,
}

impl Replica {
    /// # Errors
    /// As [`Pool::new`].
    pub(super) fn new(settings: &SqlSettings, read_only: bool) -> Result<Self> {
        // Prepared on each connection before the first read: a statement that is prepared
        // would overtake one that is not.
        let pool = Pool::new(settings, read_only, Some(check()))?;
        Ok(Self { pool, ready: Guess::default() })
    }

    /// Whether to ask it now. To be asked once for each read.
    pub(super) fn is_likely(&self) -> bool {
        self.ready.is_likely()
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }

    /// The rows that a statement answers, if the replica is where it has to be; one that
    /// cannot be asked or does not answer is not.
    ///
    /// # Errors
    /// `ConfigInvalid` for a server that is no replica of the primary one.
    pub(super) async fn rows(
        &self,
        operation: &'static str,
        needed: &Position,
        statement: Statement,
    ) -> Result<Option<Vec<PgRow>>> {
        let (said, rows) = match self.ask(operation, statement).await {
            Ok(answered) => answered,
            Err(error) => {
                tracing::debug!(%error, "a replica does not answer");
                self.ready.was_wrong();
                return Ok(None);
            }
        };
        if !said.in_recovery {
            return Err(self.refused(operation, "it is no replica any more: it was promoted"));
        }
        if said.cluster != *needed.cluster {
            return Err(self.refused(operation, "it is no copy of the primary server"));
        }
        // A later timeline is that of another server, which was promoted.
        let follows = said.timeline.is_some_and(|timeline| timeline <= needed.timeline);
        let is_there = follows && said.at.is_some_and(|at| at >= needed.at);
        match rows {
            Ok(rows) if is_there => {
                self.ready.was_right();
                Ok(Some(rows))
            }
            Ok(_) => {
                self.ready.was_wrong();
                Ok(None)
            }
            // It may lack what was made lately, or have given the statement up for what it
            // repeats. Whether something is wrong the primary server says.
            Err(error) => {
                tracing::debug!(%error, "a replica refuses a statement");
                self.ready.was_wrong();
                Ok(None)
            }
        }
    }

    /// Sends both statements in one round trip.
    async fn ask(
        &self,
        operation: &'static str,
        statement: Statement,
    ) -> Result<(Said, QueryResult<Vec<PgRow>>)> {
        let place = self.pool.place();
        let mut connection = tokio::time::timeout(PATIENCE, self.pool.get())
            .await
            .map_err(|_| errors::timed_out(place, PATIENCE))??;
        connection.spoil(true);
        let (said, rows) = join(connection.rows(check()), connection.rows(statement)).await;
        connection.spoil(false);
        let said = said.map_err(|source| errors::postgres(operation, place, source))?;
        let row = said.first().ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, operation, "a replica says nothing of itself")
        })?;
        let said = Said {
            in_recovery: truth_at(row, 0),
            at: u64::try_from(number_at(row, 1)?).ok(),
            cluster: text_at(row, 2)?,
            timeline: u64::try_from(number_at(row, 3)?).ok(),
        };
        Ok((said, rows))
    }

    fn refused(&self, operation: &'static str, why: &str) -> Error {
        let message = format!("a server of `replicas` is not read from: {why}");
        Error::new(ErrorKind::ConfigInvalid, operation, message)
            .with("replica", self.pool.place())
            .hint("take it out of `replicas`, or make it a standby of the primary server again")
    }
}

fn check() -> Statement {
    Statement::made(CHECK.to_owned(), [])
}
