//! Connections for reading: some kept, some more under load.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use repo_core::strategy::handle_closed;
use repo_core::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{self, Reader};
use super::shared::Shared;

/// The readers of one handle.
#[derive(Clone)]
pub(super) struct Readers {
    pub(super) shared: Arc<Shared>,
    idle: Arc<Mutex<Vec<Reader>>>,
    slots: Arc<Semaphore>,
    kept: usize,
    most: u32,
}

impl Readers {
    /// Readers of which `kept` stay open, with `overflow` more under load.
    pub(super) fn new(shared: Arc<Shared>, kept: u32, overflow: u32) -> Self {
        let most = kept.saturating_add(overflow);
        Self {
            shared,
            idle: Arc::default(),
            slots: Arc::new(Semaphore::new(most as usize)),
            kept: kept as usize,
            most,
        }
    }

    /// Runs `work` on a connection, off the async threads.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Reader) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(|_| handle_closed(operation, &self.shared.location))?;
        let readers = self.clone();
        tokio::task::spawn_blocking(move || readers.run_with(permit, operation, work))
            .await
            .map_err(|source| {
                Error::new(ErrorKind::Unavailable, operation, "the reading task ended early")
                    .caused_by(source)
            })?
    }

    /// Runs `work` at once on this thread, without waiting for anything: on an
    /// open connection that is free, or not at all (`None`). A lock that
    /// another process holds, and work that takes longer than a moment, count
    /// as not at all; such work is given up.
    pub(super) fn run_at_once<T>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T>,
    ) -> Option<Result<T>> {
        let _permit = self.slots.try_acquire().ok()?;
        let reader = self.lock().pop()?;
        let done = reader.read_at_once(self.shared.file(), work);
        self.give_back(reader);
        done
    }

    fn run_with<T>(
        &self,
        permit: OwnedSemaphorePermit,
        operation: &'static str,
        work: impl FnOnce(&Reader) -> Result<T>,
    ) -> Result<T> {
        self.shared.check_open(operation)?;
        let file = self.shared.file();
        let idle = self.lock().pop();
        let reader = match idle {
            Some(reader) => reader,
            None => connection::open_reader(file, self.shared.busy)?,
        };
        // An idle connection waits for no lock, since `run_at_once` must not.
        reader.wait(file, self.shared.busy)?;
        let done = reader.read(operation, file, work);
        reader.wait(file, Duration::ZERO)?;
        self.give_back(reader);
        drop(permit);
        done
    }

    fn give_back(&self, reader: Reader) {
        let mut idle = self.lock();
        if reader.lasts() && idle.len() < self.kept && self.shared.check_open("read").is_ok() {
            idle.push(reader);
        }
    }

    /// Waits for the reads that run, then gives all connections back.
    pub(super) async fn close(&self) {
        // Fails only when closed before.
        let _all = self.slots.acquire_many(self.most).await;
        self.slots.close();
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
