//! The handle on the one thread that writes, and the queue of its jobs.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use repo_core::{Error, ErrorKind, Result};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::catalog::Catalog;
use super::session::Session;
use super::shared::Shared;

/// Most commits in one transaction.
const MAX_GROUP: usize = 256;
/// Longest wait for the next commit of a group that is smaller than the last:
/// a fraction of what a sync takes.
const LINGER: Duration = Duration::from_micros(50);
/// How long the thread looks for the next commit before it sleeps, with the
/// processor free for whoever else wants it. Being woken takes as long, and a
/// caller that commits again and again would wait for it each time (decision 0024).
const AWAKE: Duration = Duration::from_micros(50);

/// What a grouped job does: its writes, in a transaction that is open.
pub(super) struct Transaction<'a> {
    pub(super) connection: &'a Connection,
    pub(super) catalog: &'a Catalog,
}

/// Told how the transaction around a job ended; answers the caller.
pub(super) type Answer = Box<dyn FnOnce(Option<Error>) + Send>;
/// Runs a job in a transaction, or refuses it; whether its writes stay, and
/// the answer to give after the commit.
pub(super) type Grouped = Box<dyn FnOnce(Result<&Transaction<'_>>) -> (bool, Answer) + Send>;
/// A job that has the connection to itself, outside a transaction.
pub(super) type Alone = Box<dyn FnOnce(&mut Session) + Send>;

pub(super) enum Job {
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
    let session = Session::new(shared);
    std::thread::Builder::new()
        .name("sqlite-writer".to_owned())
        .spawn(move || session.run(Queue::new(receiver)))
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

/// The jobs in the order in which they came.
pub(super) struct Queue {
    jobs: Receiver<Job>,
    /// A job that did not belong to the group it was taken for.
    put_back: Option<Job>,
    /// How many commits the last group had.
    expected: usize,
}

impl Queue {
    fn new(jobs: Receiver<Job>) -> Self {
        Self { jobs, put_back: None, expected: 1 }
    }

    /// The next job; `None` when the handle is closed and all are done.
    pub(super) fn next(&mut self) -> Option<Job> {
        if self.put_back.is_some() {
            return self.put_back.take();
        }
        let began = Instant::now();
        while began.elapsed() < AWAKE {
            match self.jobs.try_recv() {
                Err(TryRecvError::Empty) => std::thread::yield_now(),
                job => return job.ok(),
            }
        }
        self.jobs.recv().ok()
    }

    /// A commit that goes into the transaction in which `done` are already;
    /// `None` ends the group. When the last group was larger, its callers are
    /// likely to come again at once: they are waited for as long as one follows
    /// another quickly, since a sync costs more than that. A caller that is
    /// alone never waits.
    pub(super) fn next_of_group(&mut self, done: usize) -> Option<Grouped> {
        if done >= MAX_GROUP {
            return None;
        }
        let next = match self.put_back.take() {
            Some(job) => Some(job),
            None if done < self.expected => self.jobs.recv_timeout(LINGER).ok(),
            None => self.jobs.try_recv().ok(),
        };
        match next? {
            Job::Grouped(job) => Some(job),
            alone => {
                self.put_back = Some(alone);
                None
            }
        }
    }

    /// Notes how large a group became.
    pub(super) fn ended_with(&mut self, commits: usize) {
        self.expected = commits;
    }
}
