//! Moving collections between two stores so that an operator can trust it
//! with the only copy: check → backup → copy → verify → report.
//!
//! [`migrate`] and [`verify`] are the main job; [`back_up`], [`restore`] and
//! [`ArchiveDirectory`] are for archives by themselves; [`upgrade`] changes the schema
//! version of a collection in its place; [`clean_up`] removes from a source
//! what a verified migration brought to its target; [`status`] reports what is
//! unfinished. [`ImportBatch`] writes lines of NDJSON, and [`StoredCheck`] compares what is stored with
//! its schema. [`ndjson`] is the text form of a record that archives, `export`
//! and `import` share; [`mongoexport`] is another one that `import` reads. A caller follows a run by its own [`Progress`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod archive;
mod back_up;
mod blobs;
mod check;
mod cleanup;
mod config;
mod copy;
mod erase;
mod history;
mod import;
mod job;
pub mod live;
mod migrate;
pub mod mongoexport;
pub mod ndjson;
mod options;
mod past;
mod plan;
mod prefetch;
mod progress;
mod remedy;
mod report;
mod restore;
mod run;
mod store_reference;
mod upgrade;
mod verify;

pub use archive::{
    Archive, ArchiveDirectory, ArchivedBlobs, ArchivedCollection, ArchivedHistory, ArchivedItems,
    Damaged, FORMAT_VERSION, Leftover, MANIFEST_FILE, Manifest, Pruned, Role,
};
#[cfg(feature = "blobs")]
pub use back_up::back_up_with_blobs;
pub use back_up::{BackupOptions, back_up, back_up_what_can_be_read};
#[cfg(feature = "blobs")]
pub use blobs::{
    BlobBackup, BlobMove, BlobPlaces, KeptBlobs, migrate_with_blobs, open_source, open_target,
    restore_with_blobs, verify_blobs,
};
pub use check::{Finding, Problem, StoredCheck};
pub use cleanup::{
    CleanUpOptions, CleanUpReport, CleanedCollection, Verified, clean_up, unfinished_clean_up,
};
pub use config::MigrationConfig;
pub use copy::{Quarantine, set_aside};
pub use erase::{ErasureReport, erase};
pub use import::{ImportBatch, ImportTotals, ImportedLine, LineForm, LineOutcome};
pub use job::{CollectionStatus, OwnerStatus, Unfinished, status};
pub use migrate::migrate;
pub use options::{CompressionLevel, MigrationOptions, OnConflict};
pub use progress::{Phase, Progress, Silent};
pub use remedy::Remedy;
pub use report::{
    BlobCount, BlobDepth, BlobProblem, BlobProblemKind, BlobProblems, BlobsReport,
    BlobsVerification, Carried, CollectionReport, Counts, DanglingReference, DanglingReferences,
    Floors, HistoryReport, KeptHistory, Listed, MAX_NAMED, MigrationReport, Outcome, PhaseTime,
    Resumed, manifest_schema, report_schema,
};
pub use restore::{RestoreOptions, archived_schemas, restore};
pub use upgrade::{
    UpgradeOptions, UpgradeOutcome, UpgradeReport, refuse_unfinished_upgrade, upgrade,
};
pub use verify::{
    Aspect, CollectionVerification, Depth, Difference, DifferenceKind, HistoryVerification,
    ItemDifference, ItemsVerification, SideSummary, VerifyOptions, VerifyReport, VersionDifference,
    verify,
};
