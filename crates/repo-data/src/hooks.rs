//! Places at which a test stops the service, as a crash would. Without one nothing happens.

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

/// What happens at the steps; for tests. After the first yes a handle does nothing any more.
pub type Hooks = repo_core::strategy::Hooks<Step>;
