//! What belongs to one process: the runtime, and all that was made on it.
//!
//! A forked child has the memory of its parent and none of its threads. What lives on
//! the parent's runtime can neither be used there nor ended: both would wait for
//! threads that do not exist. So it is refused by the number of the process, and left
//! alone when Python drops it.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::Python;
use repo_core::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Runtime};

/// Threads that drive connections and timers. The work itself is done on the threads
/// that call, and on those that strategies start for what blocks.
const WORKERS: usize = 2;

/// The runtime and the process that it belongs to. Locked only by threads that hold
/// the interpreter's lock, and never across a wait: so it is free in a child, since
/// only a thread with that lock forks.
static RUNTIME: Mutex<Option<(u32, Arc<Runtime>)>> = Mutex::new(None);

/// The runtime of this process, made when it is first asked for.
pub(crate) fn runtime(_attached: Python<'_>) -> Result<Arc<Runtime>> {
    let mut kept = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((of, runtime)) = kept.as_ref()
        && *of == process
    {
        return Ok(Arc::clone(runtime));
    }
    let made = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("repo-engine")
        .enable_all()
        .build()
        .map_err(|source| {
            let why = "the threads of the engine cannot be started";
            Error::new(ErrorKind::Unavailable, "open", why)
                .with("reason", &source)
                .caused_by(source)
        })?;
    let made = Arc::new(made);
    std::mem::forget(kept.replace((process, Arc::clone(&made))));
    Ok(made)
}

/// A value that lives on the runtime of the process that made it.
#[derive(Debug)]
pub(crate) struct OfProcess<T> {
    process: u32,
    value: Option<T>,
}

impl<T> OfProcess<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { process: std::process::id(), value: Some(value) }
    }

    /// Whether this is the process that made it.
    pub(crate) fn is_here(&self) -> bool {
        self.process == std::process::id()
    }

    /// The value, in the process that made it.
    ///
    /// # Errors
    /// `Closed` in any other one.
    pub(crate) fn get(&self) -> Result<&T> {
        match &self.value {
            Some(value) if self.is_here() => Ok(value),
            _ => Err(Error::new(
                ErrorKind::Closed,
                "use a store",
                "it was opened before this process was forked",
            )
            .with("opened_by", self.process)
            .with("process", std::process::id())
            .hint("open it anew in this process: Store.open(…)")),
        }
    }
}

impl<T> Drop for OfProcess<T> {
    fn drop(&mut self) {
        let value = self.value.take();
        if !self.is_here() {
            std::mem::forget(value);
            return;
        }
        // What ends work of its own needs the runtime to do so.
        Python::attach(|py| {
            let runtime = runtime(py);
            let _entered = runtime.as_ref().map(|runtime| runtime.enter());
            drop(value);
        });
    }
}
