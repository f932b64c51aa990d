//! What a run did: every record accounted for.

use std::path::PathBuf;

use repo_core::strategy::PrepareChange;
use repo_core::{CollectionName, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::blobs::BlobsReport;
use super::parts::{Counts, DanglingReferences, Floors, HistoryReport, Listed, PhaseTime};
use crate::CleanUpReport;
use crate::OnConflict;
use crate::VerifyReport;

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
    /// What became of the blobs that the records are about; none where they were not to be
    /// moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blobs: Option<Box<BlobsReport>>,
    /// The file with the entities that the target cannot hold, if there are
    /// any.
    pub quarantine: Option<PathBuf>,
    /// What was removed from the source after it was verified; none unless
    /// that was asked for.
    pub clean_up: Option<CleanUpReport>,
    /// How often the target refused a batch that was then tried again.
    pub refusals: u64,
    /// For a run that resumed an unfinished one: what that had done. The
    /// counts are of all runs together.
    pub resumed: Option<Resumed>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// An unfinished run that was resumed.
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
    /// Nothing was written: blobs are not as their records say, and a run would end
    /// `differs`.
    DryRunDiffers,
    /// Done, with differences left on purpose: the target's newer records, a
    /// version raised above the source's, or records that only the target has.
    Partly,
    /// Both sides differ where they should not. The run failed.
    Differs,
    /// It was asked to end before it was done. What was copied stays, and the
    /// same run resumes from there.
    Interrupted,
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
    /// What the source keeps of the past of the records; none when it keeps nothing, or
    /// when it was to be left behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryReport>,
}
