//! Waiting for the engine from Python: the interpreter's lock is released, and Ctrl-C
//! is seen.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use pyo3::prelude::*;
use repo_core::Result;

use crate::errors::raised;
use crate::process::runtime;

/// How often a thread that waits asks Python whether a signal has come. Also the
/// longest time after which `KeyboardInterrupt` is raised, beside what a store does at once
/// on this thread: only that in memory does more there than a moment's work, and none waits.
pub(crate) const LOOK_AT_SIGNALS: Duration = Duration::from_millis(50);

/// Does some work of the engine to its end, on this thread.
///
/// A signal whose handler raises ends the wait with what it raised. The work is left
/// where it is then: a write may have been applied or not, never half.
pub(crate) fn wait<T, F>(py: Python<'_>, work: impl FnOnce() -> F + Send) -> PyResult<T>
where
    F: Future<Output = Result<T>>,
    T: Send,
{
    let runtime = runtime(py).map_err(|error| raised(py, &error))?;
    let ended = py.detach(|| runtime.block_on(async { watched(work()).await }));
    ended?.map_err(|error| raised(py, &error))
}

async fn watched<T>(work: impl Future<Output = T>) -> PyResult<T> {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = tokio::time::sleep(LOOK_AT_SIGNALS) => Python::attach(|py| py.check_signals())?,
        }
    }
}
