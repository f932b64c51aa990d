//! The one thread that writes. Commits that wait at the same time share a
//! transaction, and so one sync of the log; a savepoint each keeps them apart.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use repo_core::{Error, ErrorKind, Result};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::catalog::Catalog;
use super::connection;
use super::shared::Shared;
use crate::errors;

/// Most commits in one transaction.
const MAX_GROUP: usize = 256;
/// Longest wait for the next commit of a group that is smaller than the last:
/// a fraction of what a sync takes.
const LINGER: Duration = Duration::from_micros(50);

/// What a grouped job does: its writes, in a transaction that is open.
pub(super) struct Transaction<'a> {
    pub(super) connection: &'a Connection,
    pub(super) catalog: &'a Catalog,
}

/// Told how the transaction around a job ended; answers the caller.
type Answer = Box<dyn FnOnce(Option<Error>) + Send>;
/// Runs a job in a transaction, or refuses it; whether its writes stay, and
/// the answer to give after the commit.
type Grouped = Box<dyn FnOnce(Result<&Transaction<'_>>) -> (bool, Answer) + Send>;
/// A job that has the connection to itself, outside a transaction.
type Alone = Box<dyn FnOnce(&mut Session) + Send>;

enum Job {
    Grouped(Grouped),
    Alone(Alone),
}

/// The handle on the writing thread, which starts with the first job.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<(Sender<Job>, JoinHandle<()>)>>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, thread: Mutex::default() }
    }

    /// Runs `work` in a transaction and returns once it is durable.
    ///
    /// # Errors
    /// Those of `work`: nothing of it was written then. `Unavailable` when the
    /// transaction failed, `OutcomeUnknown` when its end is not known.
    pub(super) async fn transact<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel::<Result<T>>();
        let grouped: Grouped = Box::new(move |transaction| {
            let done = transaction.and_then(work);
            let keep = done.is_ok();
            let finish: Answer = Box::new(move |failed| {
                let result = match failed {
                    Some(error) if done.is_ok() => Err(error),
                    _ => done,
                };
                // Nobody listens any more when the caller dropped its future.
                let _ = reply.send(result);
            });
            (keep, finish)
        });
        self.send(operation, Job::Grouped(grouped))?;
        receive(operation, answer).await
    }

    /// Runs `work` alone on the writing thread.
    pub(super) async fn alone<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel::<Result<T>>();
        let alone: Alone = Box::new(move |session| {
            let _ = reply.send(work(session));
        });
        self.send(operation, Job::Alone(alone))?;
        receive(operation, answer).await
    }

    fn send(&self, operation: &'static str, job: Job) -> Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.check_open(operation)?;
        if thread.is_none() {
            *thread = Some(start(Arc::clone(&self.shared))?);
        }
        let sent = thread.as_ref().map(|(jobs, _)| jobs.send(job).is_ok());
        if sent == Some(true) { Ok(()) } else { Err(gone(ErrorKind::Unavailable, operation)) }
    }

    /// Ends the thread after the jobs that wait; it checkpoints before it ends.
    pub(super) async fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((jobs, handle)) = thread {
            drop(jobs);
            let _ = tokio::task::spawn_blocking(move || handle.join()).await;
        }
    }
}

fn start(shared: Arc<Shared>) -> Result<(Sender<Job>, JoinHandle<()>)> {
    let (sender, receiver) = channel();
    let session = Session { shared, connection: None };
    std::thread::Builder::new()
        .name("sqlite-writer".to_owned())
        .spawn(move || session.run(&receiver))
        .map(|handle| (sender, handle))
        .map_err(|source| {
            Error::new(ErrorKind::Unavailable, "open", "the writing thread cannot be started")
                .caused_by(source)
        })
}

async fn receive<T>(operation: &'static str, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
    answer.await.map_err(|_| gone(ErrorKind::OutcomeUnknown, operation))?
}

fn gone(kind: ErrorKind, operation: &'static str) -> Error {
    Error::new(kind, operation, "the writing thread ended")
}

/// What the thread owns.
pub(super) struct Session {
    shared: Arc<Shared>,
    connection: Option<Connection>,
}

impl Session {
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The connection that writes, opened at the first use.
    pub(super) fn connection(&mut self) -> Result<&mut Connection> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            closed => {
                Ok(closed.insert(connection::open_writer(self.shared.file(), self.shared.busy)?))
            }
        }
    }

    fn run(mut self, jobs: &Receiver<Job>) {
        let mut queue = Queue { jobs, put_back: VecDeque::new(), expected: 1 };
        while let Some(job) = queue.next() {
            match job {
                Job::Alone(work) => work(&mut self),
                Job::Grouped(first) => {
                    let mut group = queue.gather(first);
                    self.commit_group(&mut group);
                    queue.put_back(group);
                }
            }
        }
        self.end();
    }

    /// Runs jobs in one transaction and answers them after its end. Jobs that
    /// it did not come to stay in `group`.
    fn commit_group(&mut self, group: &mut VecDeque<Grouped>) {
        if let Err(refusal) = self.begin() {
            refuse(group, refusal, self.shared.file());
            return;
        }
        let Some(connection) = &self.connection else { return };
        let catalog = self.shared.catalog();
        let transaction = Transaction { connection, catalog: &catalog };
        let single = group.len() == 1;
        let mut answers: Vec<Answer> = Vec::with_capacity(group.len());
        let mut wrote = false;
        while let Some(job) = group.pop_front() {
            let (keep, answer) = run_job(&transaction, job, single, self.shared.file());
            wrote |= keep;
            answers.push(answer);
            if connection.is_autocommit() {
                // SQLite gave up the whole transaction. The job's own error
                // says why; the others of the group were not applied either.
                let file = self.shared.file();
                for answer in answers {
                    answer(Some(rolled_back(file)));
                }
                return;
            }
        }
        let ended = end_transaction(connection, wrote);
        let file = self.shared.file();
        for answer in answers {
            answer(ended.as_ref().err().map(|source| commit_failed(file, source)));
        }
    }

    /// Begins a transaction that holds the write lock, with a catalog that
    /// fits the database.
    fn begin(&mut self) -> std::result::Result<(), Refusal> {
        let shared = Arc::clone(&self.shared);
        let connection = self.connection().map_err(Refusal::One)?;
        connection
            .prepare_cached("BEGIN IMMEDIATE")
            .and_then(|mut begin| begin.execute([]))
            .map_err(Refusal::All)?;
        shared.refresh_catalog(connection).map(drop).map_err(|error| {
            // The transaction has written nothing; its end cannot matter.
            let _ = connection.execute_batch("ROLLBACK");
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

/// Why a transaction could not begin.
enum Refusal {
    /// The first job gets the error; the next may fare better.
    One(Error),
    /// Each of the group has waited for the lock as long as this says.
    All(rusqlite::Error),
}

fn refuse(group: &mut VecDeque<Grouped>, refusal: Refusal, file: &Path) {
    let answer = |job: Grouped, error: Error| job(Err(error)).1(None);
    match refusal {
        Refusal::One(error) => {
            if let Some(first) = group.pop_front() {
                answer(first, error);
            }
        }
        Refusal::All(source) => {
            for job in group.drain(..) {
                answer(job, errors::sqlite("commit", file, errors::repeat(&source)));
            }
        }
    }
}

/// The jobs in the order in which they came.
struct Queue<'a> {
    jobs: &'a Receiver<Job>,
    put_back: VecDeque<Job>,
    /// How many commits the last group had.
    expected: usize,
}

impl Queue<'_> {
    /// The next job; `None` when the handle is closed and all are done.
    fn next(&mut self) -> Option<Job> {
        self.put_back.pop_front().or_else(|| self.jobs.recv().ok())
    }

    /// The commits that share a transaction with `first`. When the last group
    /// was larger, its callers are likely to come again at once: they are
    /// waited for as long as one follows another quickly, since a sync costs
    /// more than that. A caller that is alone never waits.
    fn gather(&mut self, first: Grouped) -> VecDeque<Grouped> {
        let mut group = VecDeque::from([first]);
        while group.len() < MAX_GROUP {
            let next = match self.put_back.pop_front() {
                Some(job) => Some(job),
                None if group.len() < self.expected => self.jobs.recv_timeout(LINGER).ok(),
                None => self.jobs.try_recv().ok(),
            };
            match next {
                Some(Job::Grouped(job)) => group.push_back(job),
                Some(alone) => {
                    self.put_back.push_front(alone);
                    break;
                }
                None => break,
            }
        }
        self.expected = group.len();
        group
    }

    /// Takes back what a failed transaction left over; it goes first.
    fn put_back(&mut self, group: VecDeque<Grouped>) {
        for job in group.into_iter().rev() {
            self.put_back.push_front(Job::Grouped(job));
        }
    }
}

/// Runs one job within a savepoint, unless it has the transaction to itself
/// and a failure ends that.
fn run_job(
    transaction: &Transaction<'_>,
    job: Grouped,
    single: bool,
    file: &Path,
) -> (bool, Answer) {
    let connection = transaction.connection;
    let file_error = |source| errors::sqlite("commit", file, source);
    let command = |sql: &str| -> rusqlite::Result<()> {
        connection.prepare_cached(sql)?.execute([]).map(drop)
    };
    if !single && let Err(source) = command("SAVEPOINT one_commit") {
        return job(Err(file_error(source)));
    }
    let (keep, answer) = job(Ok(transaction));
    if single || connection.is_autocommit() {
        return (keep, answer);
    }
    let undo = if keep { Ok(()) } else { command("ROLLBACK TO one_commit") };
    match undo.and_then(|()| command("RELEASE one_commit")) {
        Ok(()) => (keep, answer),
        Err(source) => {
            // The savepoint cannot be closed: give the whole transaction up.
            let _ = command("ROLLBACK");
            let error = file_error(source);
            (false, Box::new(move |_| answer(Some(error))))
        }
    }
}

fn end_transaction(connection: &Connection, wrote: bool) -> rusqlite::Result<()> {
    let sql = if wrote { "COMMIT" } else { "ROLLBACK" };
    let ended = connection.prepare_cached(sql).and_then(|mut end| end.execute([]));
    if ended.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    ended.map(drop)
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
