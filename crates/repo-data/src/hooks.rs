//! Places at which a test stops the service, as a crash would. Without one nothing happens.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use repo_core::{Error, ErrorKind, Result};

/// A place in the work of the service, between two things that are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// A blob is recorded as pending; none of its bytes is there.
    BlobRecorded,
    /// The bytes of a blob are there; nothing refers to them.
    BytesWritten,
    /// An upload is recorded; its session with the store of blobs was not begun.
    UploadRecorded,
    /// A session with a store of blobs was begun, and is not recorded.
    SessionOpened,
    /// Bytes of an upload are in the spool; their offset is not recorded.
    PartSpooled,
    /// A part is in the store of blobs; its receipt is not recorded.
    PartStored,
    /// An upload is complete, and its entry knows; what was spooled is still there.
    Staged,
    /// What refers to a blob is active, and so is the blob.
    Activated,
    /// What referred to a blob is deleted, and the blob is condemned.
    Condemned,
    /// The blob is about to lose its bytes: nobody can restore it any more.
    MarkedDeleting,
    /// The bytes were deleted; the record does not say so.
    BytesDeleted,
    /// The bytes were deleted once more; the record is still there.
    BytesDeletedAgain,
    /// A part of a large dataset was deleted or restored.
    BatchDone,
}

impl Step {
    /// Every step.
    pub const ALL: &'static [Self] = &[
        Self::BlobRecorded,
        Self::BytesWritten,
        Self::UploadRecorded,
        Self::SessionOpened,
        Self::PartSpooled,
        Self::PartStored,
        Self::Staged,
        Self::Activated,
        Self::Condemned,
        Self::MarkedDeleting,
        Self::BytesDeleted,
        Self::BytesDeletedAgain,
        Self::BatchDone,
    ];

    /// Its name, as in `{:?}`.
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
    /// Asks `stops` at each step. After the first yes this handle of the service does nothing
    /// any more, as if its process had been killed there: every call is `Closed`.
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
            return Err(Error::new(ErrorKind::Closed, "work", "a test has stopped the service"));
        }
        Ok(())
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("set", &self.at.is_some()).finish_non_exhaustive()
    }
}
