//! Places at which a test stops a handle, as a crash would. Without one nothing happens.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, ErrorKind, Result};

type At<S> = dyn Fn(S) -> bool + Send + Sync;

/// What happens at the steps of a protocol; for tests of crates that have one. A clone stops
/// with the others.
///
/// ```
/// use repo_core::strategy::Hooks;
///
/// let hooks = Hooks::new(|step: u8| step == 2);
/// assert!(hooks.step(1).is_ok());
/// assert!(hooks.step(2).is_err() && hooks.alive().is_err());
/// ```
pub struct Hooks<S> {
    at: Option<Arc<At<S>>>,
    stopped: Arc<AtomicBool>,
}

impl<S> Hooks<S> {
    /// Asks `stops` at each step. After the first yes the handle does nothing any more, as if
    /// its process had been killed there: every call is `Closed`.
    #[must_use]
    pub fn new(stops: impl Fn(S) -> bool + Send + Sync + 'static) -> Self {
        Self { at: Some(Arc::new(stops)), stopped: Arc::default() }
    }

    /// Says that a step was reached.
    ///
    /// # Errors
    /// `Closed` where a test stops the handle, and ever after.
    pub fn step(&self, step: S) -> Result<()> {
        self.alive()?;
        if self.at.as_ref().is_some_and(|stops| stops(step)) {
            self.stopped.store(true, Ordering::SeqCst);
        }
        self.alive()
    }

    /// Whether the handle still works.
    ///
    /// # Errors
    /// `Closed` after a stop.
    pub fn alive(&self) -> Result<()> {
        if self.stopped.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, "work", "a test has stopped this handle"));
        }
        Ok(())
    }
}

impl<S> Clone for Hooks<S> {
    fn clone(&self) -> Self {
        Self { at: self.at.clone(), stopped: Arc::clone(&self.stopped) }
    }
}

/// Nothing happens.
impl<S> Default for Hooks<S> {
    fn default() -> Self {
        Self { at: None, stopped: Arc::default() }
    }
}

impl<S> fmt::Debug for Hooks<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("set", &self.at.is_some()).finish_non_exhaustive()
    }
}
