//! The handle on the one thread that writes.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use repo_core::{Error, ErrorKind, Result};
use tokio::sync::oneshot;

use super::group_commit::serve;
use super::jobs::{Alone, Answer, Grouped, Job, Queue, Transaction};
use super::session::Session;
use super::shared::Shared;

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
        .spawn(move || serve(session, Queue::new(receiver)))
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
