//! The thread that writes. Commits that wait at the same time share a
//! transaction, and so one sync of the log; a savepoint each keeps them apart.

use std::path::Path;
use std::sync::Arc;

use repo_core::{Error, ErrorKind, Result};
use rusqlite::Connection;

use super::catalog::Catalog;
use super::shared::Shared;
use super::writer::{Answer, Grouped, Job, Queue, Transaction};
use super::{connection, links};
use crate::errors;

/// What the thread owns.
pub(super) struct Session {
    shared: Arc<Shared>,
    connection: Option<Connection>,
}

/// How the jobs of a group went, before any is answered.
enum Ran {
    /// They wait for the commit.
    Open { answers: Vec<Answer> },
    /// The transaction is over: SQLite gave it up, or its only job failed.
    Over { answers: Vec<Answer> },
}

/// Why a transaction could not begin.
enum Refusal {
    /// The first job gets the error; the next may fare better.
    One(Error),
    /// All that wait have waited for the lock as long as this says.
    All(rusqlite::Error),
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, connection: None }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The connection that writes, opened at the first use.
    pub(super) fn connection(&mut self) -> Result<&mut Connection> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            closed => {
                // It may have got a second name since it was looked at.
                links::refuse_second("open", self.shared.file())?;
                Ok(closed.insert(connection::open_writer(self.shared.file(), self.shared.busy)?))
            }
        }
    }

    /// Does jobs until the handle is closed.
    pub(super) fn run(mut self, mut queue: Queue) {
        while let Some(job) = queue.next() {
            match job {
                Job::Alone(work) => work(&mut self),
                Job::Grouped(first) => self.commit_group(first, &mut queue),
            }
        }
        self.end();
    }

    /// Runs a job, and those that come meanwhile, in one transaction, and
    /// answers them after its end.
    fn commit_group(&mut self, first: Grouped, queue: &mut Queue) {
        let catalog = match self.begin() {
            Ok(catalog) => catalog,
            Err(refusal) => {
                refuse(first, queue, refusal, self.shared.file());
                return;
            }
        };
        let Some(connection) = &self.connection else { return };
        let file = self.shared.file();
        let transaction = Transaction { connection, catalog: &catalog };
        match run_group(&transaction, first, queue, file) {
            Ran::Over { answers } => {
                for answer in answers {
                    answer(Some(rolled_back(file)));
                }
            }
            Ran::Open { answers } => {
                queue.ended_with(answers.len());
                let ended = end_transaction(connection);
                for answer in answers {
                    answer(ended.as_ref().err().map(|source| commit_failed(file, source)));
                }
            }
        }
    }

    /// Begins a transaction that holds the write lock; the catalog that fits
    /// the database in it, whatever slower readers find meanwhile.
    fn begin(&mut self) -> std::result::Result<Arc<Catalog>, Refusal> {
        let shared = Arc::clone(&self.shared);
        let connection = self.connection().map_err(Refusal::One)?;
        run(connection, "BEGIN IMMEDIATE").map_err(Refusal::All)?;
        shared.refresh_catalog(connection).map_err(|error| {
            // The transaction has written nothing; its end cannot matter.
            let _ = run(connection, "ROLLBACK");
            Refusal::One(error)
        })
    }

    /// Writes back what it can of the log without waiting for anybody. The
    /// last connection of all to close empties and removes it.
    fn end(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = done.and_then(|()| connection.close().map_err(|(_, error)| error)) {
            // Every commit is in the log; the next opening reads it there.
            tracing::warn!(file = %self.shared.file().display(), %error, "no checkpoint on close");
        }
    }
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

fn refuse(first: Grouped, queue: &mut Queue, refusal: Refusal, file: &Path) {
    let answer = |job: Grouped, error: Error| job(Err(error)).1(None);
    match refusal {
        Refusal::One(error) => answer(first, error),
        Refusal::All(source) => {
            let busy = || errors::sqlite("commit", file, errors::repeat(&source));
            answer(first, busy());
            queue.ended_with(1);
            let mut refused = 1;
            while let Some(job) = queue.next_of_group(refused) {
                answer(job, busy());
                refused += 1;
            }
        }
    }
}

/// Runs the first job as it is, since the transaction holds nothing else, and
/// each further one within a savepoint.
fn run_group(transaction: &Transaction<'_>, first: Grouped, queue: &mut Queue, file: &Path) -> Ran {
    let connection = transaction.connection;
    let (keep, answer) = first(Ok(transaction));
    let mut answers = vec![answer];
    if !keep {
        // Whatever it did before it failed goes with the transaction.
        if !connection.is_autocommit() {
            let _ = run(connection, "ROLLBACK");
        }
        return Ran::Over { answers };
    }
    while let Some(job) = queue.next_of_group(answers.len()) {
        answers.push(run_in_savepoint(transaction, job, file));
        if connection.is_autocommit() {
            // SQLite gave up the whole transaction. The job's own error says
            // why; those before it were not applied either.
            return Ran::Over { answers };
        }
    }
    Ran::Open { answers }
}

fn run_in_savepoint(transaction: &Transaction<'_>, job: Grouped, file: &Path) -> Answer {
    let connection = transaction.connection;
    let failed = |source| errors::sqlite("commit", file, source);
    if let Err(source) = run(connection, "SAVEPOINT one_commit") {
        return job(Err(failed(source))).1;
    }
    let (keep, answer) = job(Ok(transaction));
    if connection.is_autocommit() {
        return answer;
    }
    let undo = if keep { Ok(()) } else { run(connection, "ROLLBACK TO one_commit") };
    match undo.and_then(|()| run(connection, "RELEASE one_commit")) {
        Ok(()) => answer,
        Err(source) => {
            // The savepoint cannot be closed: give the whole transaction up.
            let _ = run(connection, "ROLLBACK");
            let error = failed(source);
            Box::new(move |_| answer(Some(error)))
        }
    }
}

fn end_transaction(connection: &Connection) -> rusqlite::Result<()> {
    let ended = run(connection, "COMMIT");
    if ended.is_err() && !connection.is_autocommit() {
        let _ = run(connection, "ROLLBACK");
    }
    ended
}

fn rolled_back(file: &Path) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "commit",
        "the transaction was rolled back because of another commit in it",
    )
    .with("file", file.display())
    .hint("nothing was written; try again")
}

fn commit_failed(file: &Path, source: &rusqlite::Error) -> Error {
    let error = errors::sqlite("commit", file, errors::repeat(source));
    if errors::commit_is_uncertain(source) {
        return error.into_kind(ErrorKind::OutcomeUnknown);
    }
    error
}
