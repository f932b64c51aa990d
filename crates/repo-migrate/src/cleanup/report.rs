//! What a clean-up of a source did.

use std::time::Instant;

use repo_core::{Clock as _, CollectionName, SystemClock};
use schemars::JsonSchema;
use serde::Serialize;

use crate::OnConflict;
use crate::cleanup::mark::Verified;
use crate::progress::Phase;
use crate::report::{Counts, Listed, MigrationReport, Outcome, PhaseTime};

/// What was removed from the source after it was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CleanUpReport {
    /// Each collection that was gone through, by name.
    pub collections: Vec<CleanedCollection>,
    /// Whether it was asked to end before it was done. The same call goes on.
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

impl MigrationReport {
    /// The report of a run that only goes on with the clean-up of an earlier
    /// one, which copied and verified: it counts no record.
    #[must_use]
    pub fn before_clean_up(verified: &Verified) -> Self {
        let now = SystemClock.now();
        Self {
            outcome: Outcome::Verified,
            source: verified.source().to_owned(),
            target: verified.target().to_owned(),
            on_conflict: OnConflict::default(),
            started_at: now,
            finished_at: now,
            phases: Vec::new(),
            collections: Vec::new(),
            totals: Counts::default(),
            backup: None,
            target_backup: None,
            verification: None,
            quarantine: None,
            clean_up: None,
            refusals: 0,
            resumed: None,
            warnings: vec![
                "an unfinished clean-up of the source was found; going on with it".to_owned(),
            ],
        }
    }

    /// Adds what a clean-up after the run did.
    pub fn add_clean_up(&mut self, done: CleanUpReport) {
        if done.interrupted {
            self.outcome = Outcome::Interrupted;
        } else if !done.is_complete() {
            self.outcome = Outcome::Partly;
        }
        self.finished_at = SystemClock.now();
        self.phases.push(done.time);
        self.clean_up = Some(done);
    }
}
