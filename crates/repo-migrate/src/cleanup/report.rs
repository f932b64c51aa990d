//! What a clean-up of a source did.

use std::time::Instant;

use repo_core::CollectionName;
use schemars::JsonSchema;
use serde::Serialize;

use crate::progress::Phase;
use crate::report::{Listed, PhaseTime};

/// What was removed from the source after it was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CleanUpReport {
    /// Each collection that was gone through, by name.
    pub collections: Vec<CleanedCollection>,
    /// Whether it was asked to end before it was done. The same call resumes it.
    pub interrupted: bool,
    /// How long it took.
    #[serde(skip)]
    pub(crate) time: PhaseTime,
}

/// What was removed from one collection of the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CleanedCollection {
    /// Its name.
    #[schemars(with = "String")]
    pub name: CollectionName,
    /// Live entities that were deleted, each at the version that the target
    /// holds.
    pub deleted: u64,
    /// Entities that changed since, with the reason. They stay as they are.
    pub left: Listed,
    /// Of these, those that somebody else deleted in the source and the target
    /// still holds.
    pub deleted_by_others: u64,
    /// Whether the tombstones are purged: not while `deleted_by_others` is
    /// above 0, for then they are all that says so.
    pub purged: bool,
}

impl CleanUpReport {
    pub(crate) fn new(
        collections: Vec<CleanedCollection>,
        interrupted: bool,
        since: Instant,
    ) -> Self {
        let time = PhaseTime {
            phase: Phase::CleanUp,
            duration_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
            records: collections.iter().map(|one| one.deleted + one.left.count).sum(),
        };
        Self { collections, interrupted, time }
    }

    /// Whether the source holds nothing more of what was verified.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.interrupted && self.collections.iter().all(|one| one.left.count == 0)
    }
}

impl CleanedCollection {
    pub(crate) fn new(name: CollectionName) -> Self {
        let left = Listed::default();
        Self { name, deleted: 0, left, deleted_by_others: 0, purged: false }
    }
}
