//! What an upgrade in place did.

use std::path::PathBuf;

use repo_core::{CollectionName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::report::Listed;

/// What an upgrade in place did, or, for a dry run, would do.
#[derive(Debug, Clone, Serialize)]
pub struct UpgradeReport {
    /// How it ended.
    pub outcome: UpgradeOutcome,
    /// The store. Holds no secret.
    pub store: String,
    /// The collection.
    pub collection: CollectionName,
    /// The schema versions on the way, the first and the last too.
    pub versions: Vec<u32>,
    /// When the run began, RFC 3339.
    pub started_at: Timestamp,
    /// When it ended, RFC 3339.
    pub finished_at: Timestamp,
    /// Of an unfinished run that was resumed: the records that were done.
    pub resumed_after: Option<u64>,
    /// What became of the records; of all runs together.
    #[serde(flatten)]
    pub counts: Counts,
    /// Entities that somebody else changed while the upgrade ran, so that they
    /// were left as they are; with the reason.
    pub left: Listed,
    /// Entities that somebody else created, also anew after a delete, while the
    /// upgrade ran. They are left as they are: nobody knows of which schema
    /// version they are.
    pub created: Listed,
    /// The folder of the archive.
    pub backup: Option<PathBuf>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// `records = tombstones + upgraded + gone + left.count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Records of the collection when it was archived, tombstones too.
    pub records: u64,
    /// Of these, tombstones.
    pub tombstones: u64,
    /// Entities that are upgraded.
    pub upgraded: u64,
    /// Entities that somebody deleted meanwhile, also those created anew since.
    pub gone: u64,
}

impl Counts {
    /// Adds the counts of a batch.
    pub(crate) fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.tombstones += other.tombstones;
        self.upgraded += other.upgraded;
        self.gone += other.gone;
    }
}

/// How an upgrade ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UpgradeOutcome {
    /// Every document has the new version, and the store says so.
    Upgraded,
    /// The store says that the documents have the version already.
    Current,
    /// Nothing was written: all checks passed.
    DryRun,
    /// Done, and the store says so, except for entities that are named.
    Partly,
    /// It was asked to end before it was done; the same call resumes it.
    Interrupted,
}
