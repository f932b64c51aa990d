//! The way to the writer's thread.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use repo_core::Result;
use repo_core::strategy::handle_closed;

use crate::errors;
use crate::store::Store;
use crate::writer::{self, Request};

/// The writer's thread, from outside.
pub(crate) struct Writer {
    requests: Sender<Request>,
    /// What the thread reads from, until it is started by the first request.
    waiting: Mutex<Option<Receiver<Request>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread does.
type Work = Box<dyn FnOnce() + Send>;

impl Writer {
    pub(crate) fn new() -> Self {
        let (requests, waiting) = channel();
        Self { requests, waiting: Mutex::new(Some(waiting)), thread: Mutex::default() }
    }

    /// Hands a request over.
    ///
    /// # Errors
    /// `Unavailable` when the thread cannot be started or has ended; the
    /// request was then not taken.
    pub(crate) fn send(&self, store: &Arc<Store>, request: Request) -> Result<()> {
        self.start(store, |work| {
            std::thread::Builder::new().name("json-writer".to_owned()).spawn(work)
        })?;
        self.requests.send(request).or_else(|_| {
            store.check_open("write")?;
            Err(handle_closed("write", &store.env.location))
        })
    }

    /// Starts the thread if none was started yet.
    fn start(
        &self,
        store: &Arc<Store>,
        spawn: impl FnOnce(Work) -> io::Result<JoinHandle<()>>,
    ) -> Result<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(requests) = waiting.take() else { return Ok(()) };
        // A thread that cannot be started drops its work: what it would read
        // from has to outlive that.
        let handed = Arc::new(Mutex::new(Some(requests)));
        let (own, taken) = (Arc::clone(store), Arc::clone(&handed));
        let take = |from: &Mutex<Option<Receiver<Request>>>| {
            from.lock().unwrap_or_else(PoisonError::into_inner).take()
        };
        let work = move || {
            if let Some(requests) = take(&taken) {
                writer::run(&own, &requests);
            }
        };
        match spawn(Box::new(work)) {
            Ok(thread) => {
                *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
                Ok(())
            }
            Err(source) => {
                *waiting = take(&handed);
                Err(errors::interrupted("write", &store.env.location).caused_by(source))
            }
        }
    }

    /// Fails to start the thread, as when the process may have no more.
    #[cfg(test)]
    pub(crate) fn fail_to_start(&self, store: &Arc<Store>) -> Result<()> {
        self.start(store, |_| Err(io::Error::other("no more threads")))
    }
}
