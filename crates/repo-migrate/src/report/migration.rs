//! What a run did: every record accounted for.

use std::path::PathBuf;

use repo_core::{CollectionName, PrepareChange, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::CleanUpReport;
use crate::OnConflict;
use crate::VerifyReport;
use crate::progress::Phase;

/// Most records that a report names in one list. Counts are always exact.
pub const MAX_NAMED: usize = 1_000;

/// What a migration did, or, for a dry run, would do.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MigrationReport {
    /// How the run ended.
    pub outcome: Outcome,
    /// Where the records came from. Holds no secret.
    pub source: String,
    /// Where they went. Holds no secret.
    pub target: String,
    /// What was to be done with records of the target that differ.
    pub on_conflict: OnConflict,
    /// When the run began, RFC 3339.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// When it ended, RFC 3339.
    #[schemars(with = "String")]
    pub finished_at: Timestamp,
    /// How long each phase took.
    pub phases: Vec<PhaseTime>,
    /// Each collection, by name.
    pub collections: Vec<CollectionReport>,
    /// The sums over all collections.
    pub totals: Counts,
    /// The folder of the source's archive; none when nothing had to be
    /// written, or when no backup was asked for.
    pub backup: Option<PathBuf>,
    /// The folder of the target's archive; made when records that the target
    /// already held were going to change.
    pub target_backup: Option<PathBuf>,
    /// What comparing both sides after the last write found.
    pub verification: Option<VerifyReport>,
    /// The file with the entities that the target cannot hold, if there are
    /// any.
    pub quarantine: Option<PathBuf>,
    /// What was removed from the source after it was verified; none unless
    /// that was asked for.
    pub clean_up: Option<CleanUpReport>,
    /// How often the target refused a batch that was then tried again.
    pub refusals: u64,
    /// For a run that went on with an unfinished one: what that had done. The
    /// counts are of all runs together.
    pub resumed: Option<Resumed>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// An unfinished run that was gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Resumed {
    /// When the migration was begun, RFC 3339.
    #[schemars(with = "String")]
    pub begun_at: Timestamp,
    /// Records that were not copied again.
    pub records: u64,
}

/// How a migration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every record arrived, and reading both sides again proved it.
    Verified,
    /// Every record arrived, as the target answered; not verified, as asked.
    DoneUnverified,
    /// Nothing was written: all checks passed, and the counts say what a run
    /// would do.
    DryRun,
    /// Nothing was written: all checks passed, and a run would end `partly`.
    DryRunPartly,
    /// Done, with differences left on purpose: the target's newer records, a
    /// version raised above the source's, or records that only the target has.
    Partly,
    /// Both sides differ where they should not. The run failed.
    Differs,
    /// It was asked to end before it was done. What was copied stays, and the
    /// same run goes on from there.
    Interrupted,
}

/// How long a phase took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PhaseTime {
    /// The phase.
    pub phase: Phase,
    /// Its duration in milliseconds.
    pub duration_ms: u64,
    /// Records that it went over; a comparison counts those of both sides.
    pub records: u64,
}

/// What became of the records: `read = applied + equal + older + diverged +
/// quarantined`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Records of the source, tombstones too.
    pub read: u64,
    /// Of these, tombstones.
    pub tombstones: u64,
    /// Written to the target.
    pub applied: u64,
    /// Already in the target, the same.
    pub equal: u64,
    /// Left, because the target holds a higher version.
    pub older: u64,
    /// Left, because the target holds the same version with other content.
    pub diverged: u64,
    /// Left, because the target cannot hold it; it is in the quarantine file.
    pub quarantined: u64,
}

impl Counts {
    /// Whether every record read is accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.read == self.applied + self.equal + self.older + self.diverged + self.quarantined
    }

    /// Adds the counts of another collection.
    pub(crate) fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.tombstones += other.tombstones;
        self.applied += other.applied;
        self.equal += other.equal;
        self.older += other.older;
        self.diverged += other.diverged;
        self.quarantined += other.quarantined;
    }
}

/// What happened to one collection.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CollectionReport {
    /// Its name.
    #[schemars(with = "String")]
    pub name: CollectionName,
    /// What became of its records.
    #[serde(flatten)]
    pub counts: Counts,
    /// Of the applied records, those that replaced a record of the target.
    pub replaced: u64,
    /// Of the applied records, those written under a version above the
    /// source's, so that the target's version does not fall (`overwrite`).
    pub raised: u64,
    /// The schema versions that its documents went through on the way, from the
    /// source's to the declared one; empty when they stayed as they were.
    pub upgrade: Vec<u32>,
    /// What `prepare` did in the target; none when it was not called.
    #[schemars(with = "Option<String>")]
    pub prepared: Option<PrepareChange>,
    /// The floors below which no version starts again.
    pub floors: Floors,
    /// Records that only the target holds. They stay.
    pub only_in_target: Listed,
    /// Records that differ from the source's and were left, or raised above
    /// the source's version, on purpose.
    pub left_differing: Listed,
    /// Entities that the target cannot hold, with the rule that they break.
    pub quarantined_entities: Listed,
    /// References to entities that the source does not hold.
    pub dangling: Vec<DanglingReferences>,
}

/// Records by id: how many, and the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Listed {
    /// How many there are.
    pub count: u64,
    /// The ids of the first 1,000.
    pub first: Vec<String>,
}

impl Listed {
    /// Records come in no order; people look for a name.
    pub(crate) fn sort(&mut self) {
        self.first.sort();
    }

    /// Counts one, and names it while there is room.
    pub(crate) fn push(&mut self, id: &str) {
        self.count += 1;
        if self.first.len() < MAX_NAMED {
            self.first.push(id.to_owned());
        }
    }
}

/// The floors of a collection: an id without a record starts one above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Floors {
    /// The source's.
    pub source: u64,
    /// The target's before the run.
    pub target_before: u64,
    /// The target's after the run; for a dry run, what it would be.
    pub target_after: u64,
}

/// References of one field to entities that are not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DanglingReferences {
    /// The field, as a dotted path.
    pub field: String,
    /// The collection that it refers to.
    #[schemars(with = "String")]
    pub refers_to: CollectionName,
    /// How many entities hold such a reference.
    pub count: u64,
    /// The first 20 of them.
    pub first: Vec<DanglingReference>,
}

/// One reference to an entity that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DanglingReference {
    /// The entity that holds the reference.
    pub id: String,
    /// The id that it refers to.
    pub missing: String,
}
