//! Places at which a test stops a commit, as a crash would. Without one nothing happens.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use repo_core::{Error, ErrorKind, Result};

/// What has just become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// The second store has a reserved marker; the first one has nothing.
    Reserved,
    /// The first store has its writes and the intent.
    Recorded,
    /// The second store has its writes, and the marker says so.
    Applied,
    /// The intent is gone; the marker is still there.
    IntentRemoved,
    /// The marker says that the second store will not have its writes.
    Voided,
    /// The writes of the first store are taken back, and the intent is gone with them.
    Compensated,
    /// The intent says that an operator has to decide.
    HandedOver,
    /// An operator tries again: the marker is reserved once more, the intent does not know.
    Reopened,
    /// An operator gives up: the marker is gone, the intent is still there.
    Unmarked,
}

impl Step {
    /// Every step.
    pub const ALL: &'static [Self] = &[
        Self::Reserved,
        Self::Recorded,
        Self::Applied,
        Self::IntentRemoved,
        Self::Voided,
        Self::Compensated,
        Self::HandedOver,
        Self::Reopened,
        Self::Unmarked,
    ];

    /// The step of a name, as `{:?}` gives it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|step| format!("{step:?}") == name)
    }
}

type At = dyn Fn(Step) -> bool + Send + Sync;

/// What happens at the steps; for tests.
#[derive(Clone, Default)]
pub struct Hooks {
    at: Option<Arc<At>>,
    stopped: Arc<AtomicBool>,
}

impl Hooks {
    /// Asks `stops` after each step. After the first yes this handle does nothing any more, as
    /// if its process had been killed there: every call is `Closed`.
    #[must_use]
    pub fn new(stops: impl Fn(Step) -> bool + Send + Sync + 'static) -> Self {
        Self { at: Some(Arc::new(stops)), stopped: Arc::default() }
    }

    pub(crate) fn step(&self, step: Step) -> Result<()> {
        self.alive()?;
        if self.at.as_ref().is_some_and(|stops| stops(step)) {
            self.stopped.store(true, Ordering::SeqCst);
        }
        self.alive()
    }

    /// `Closed` after a stop.
    pub(crate) fn alive(&self) -> Result<()> {
        if self.stopped.load(Ordering::SeqCst) {
            let why = "a test has stopped this handle";
            return Err(Error::new(ErrorKind::Closed, "commit across stores", why));
        }
        Ok(())
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("set", &self.at.is_some()).finish_non_exhaustive()
    }
}
