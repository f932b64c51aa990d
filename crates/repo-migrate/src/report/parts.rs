//! What the reports of several kinds of run are made of.

use repo_core::strategy::HistoryState;
use repo_core::{CollectionName, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::progress::Phase;

/// Most records that a report names in one list. Counts are always exact.
pub const MAX_NAMED: usize = 1_000;

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

/// What became of older versions, or of items: `read = applied + equal + left`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Carried {
    /// Those of the source. For older versions 0 in a run that had nothing to write.
    pub read: u64,
    /// Written to the target.
    pub applied: u64,
    /// Already in the target, the same.
    pub equal: u64,
    /// Left as the target has them.
    pub left: u64,
}

impl Carried {
    /// Whether there is none.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds others.
    pub(crate) fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.applied += other.applied;
        self.equal += other.equal;
        self.left += other.left;
    }
}

/// The history of a collection on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeptHistory {
    /// From when on every version is kept, RFC 3339.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// Seconds after which a version that was replaced may go; none for no limit.
    pub max_age_seconds: Option<u64>,
    /// Older versions kept of each record; none for no limit.
    pub max_versions: Option<u32>,
}

impl From<HistoryState> for KeptHistory {
    fn from(state: HistoryState) -> Self {
        let max_versions = state.retention.max_versions.map(std::num::NonZeroU32::get);
        let max_age_seconds = state.retention.max_age_seconds;
        Self { since: state.since, max_age_seconds, max_versions }
    }
}

/// What happened to the history of a collection, and to the items that belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HistoryReport {
    /// What the source keeps; none when only items belong to the collection.
    pub source: Option<KeptHistory>,
    /// What the target keeps after the run; for a dry run, what it would keep.
    pub target: Option<KeptHistory>,
    /// Older versions.
    pub versions: Carried,
    /// Tags, and what else of the engine's own items belongs to the collection.
    pub items: Carried,
    /// Versions and items that stay in the target, with other content than the source's.
    pub left_differing: Listed,
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
