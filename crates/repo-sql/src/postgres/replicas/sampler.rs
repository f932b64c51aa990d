//! The task that asks the primary server where it is, as long as reads want to know.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use repo_core::ErrorKind;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::position;
use super::samples::Samples;
use crate::postgres::pool::Pool;

/// After so many times in a row without a read in between it ends. The next read begins it
/// again.
const IDLE: u32 = 16;

/// Takes samples. Ends with the handle.
#[derive(Debug)]
pub(super) struct Sampler {
    every: Duration,
    /// Whether there was a read since the last sample.
    wanted: Arc<AtomicBool>,
    task: Mutex<Option<AbortHandle>>,
}

impl Sampler {
    pub(super) fn new(every: Duration) -> Self {
        Self { every, wanted: Arc::default(), task: Mutex::default() }
    }

    /// Samples are wanted. Begins the task where none runs; without a runtime none does.
    pub(super) fn want(&self, primary: &Arc<Pool>, samples: &Arc<Samples>) {
        self.wanted.store(true, Ordering::Relaxed);
        let mut task = self.lock();
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let (primary, samples) = (Arc::downgrade(primary), Arc::downgrade(samples));
        let sampling = run(primary, samples, Arc::clone(&self.wanted), self.every);
        *task = Some(runtime.spawn(sampling).abort_handle());
    }

    /// Ends the task.
    pub(super) fn stop(&self) {
        if let Some(task) = self.lock().take() {
            task.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn run(
    primary: Weak<Pool>,
    samples: Weak<Samples>,
    wanted: Arc<AtomicBool>,
    every: Duration,
) {
    let mut idle = 0;
    while idle < IDLE {
        // Neither is held while nothing is done: a handle that is dropped is gone.
        let (Some(pool), Some(to)) = (primary.upgrade(), samples.upgrade()) else { return };
        let sampled = position::sample(&pool, &to).await;
        drop((pool, to));
        if let Err(error) = sampled {
            // Reads go to the primary meanwhile, and say what is wrong with it.
            tracing::debug!(%error, "the position of the primary server is not known");
            if error.kind() == ErrorKind::Closed {
                return;
            }
        }
        tokio::time::sleep(every).await;
        idle = if wanted.swap(false, Ordering::Relaxed) { 0 } else { idle + 1 };
    }
}
