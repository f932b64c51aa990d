//! Group commit: commits that wait at the same time share a transaction, and so
//! one sync of the log; a savepoint each keeps them apart.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use repo_core::{Error, ErrorKind};
use rusqlite::Connection;

use super::catalog::Catalog;
use super::jobs::{Answer, Grouped, Job, Queue, Transaction};
use super::session::Session;
use super::shared::Shared;
use crate::errors;

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

/// Does jobs until the handle is closed.
pub(super) fn serve(mut session: Session, mut queue: Queue) {
    while let Some(job) = queue.next() {
        match job {
            Job::Alone(work) => work(&mut session),
            Job::Grouped(first) => commit_group(&mut session, first, &mut queue),
        }
    }
    session.close();
}

/// Runs a job, and those that come meanwhile, in one transaction, and
/// answers them after its end.
fn commit_group(session: &mut Session, first: Grouped, queue: &mut Queue) {
    let shared = Arc::clone(session.shared());
    let file = shared.file();
    let (connection, catalog) = match begin(session, &shared) {
        Ok(begun) => begun,
        Err(refusal) => {
            refuse(first, queue, refusal, file);
            return;
        }
    };
    let transaction = Transaction { connection, catalog: &catalog, is_last: Cell::new(false) };
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
fn begin<'a>(
    session: &'a mut Session,
    shared: &Shared,
) -> std::result::Result<(&'a Connection, Arc<Catalog>), Refusal> {
    let connection = session.connection().map_err(Refusal::One)?;
    run(connection, "BEGIN IMMEDIATE").map_err(Refusal::All)?;
    match shared.refresh_catalog(connection) {
        Ok(catalog) => Ok((connection, catalog)),
        Err(error) => {
            // The transaction has written nothing; its end cannot matter.
            let _ = run(connection, "ROLLBACK");
            Err(Refusal::One(error))
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
    while !transaction.is_last.get()
        && let Some(job) = queue.next_of_group(answers.len())
    {
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
