//! Moving collections between two stores so that an operator can trust it
//! with the only copy: check → backup → copy → verify → report.
//!
//! `migrate(source, target, schemas, options, progress) -> Result<MigrationReport>`
//! and `verify(source, target, options, progress) -> Result<VerifyReport>`
//! are the main job; [`back_up`], [`restore`] and [`Shelf`] are for archives
//! by themselves. [`lines`] is the text form of a record that
//! archives, `export` and `import` share.

mod accounts;
mod ahead;
mod archive;
mod backup;
mod batch;
mod checkpoint;
mod claim;
mod clean_up;
mod clean_up_mark;
mod clean_up_report;
mod copy;
mod counted;
mod decide;
mod difference;
mod digest;
pub mod lines;
mod options;
mod owner;
mod pace;
mod pair;
mod plan;
mod progress;
mod quarantine;
mod references;
mod refuse;
mod report;
mod restore;
mod run;
mod sameness;
mod schema;
mod side;
mod space;
mod status;
mod survey;
mod unfinished;
mod upgrade;
mod upgrading;
mod verify;
mod verify_report;
mod verify_state;
mod writing;

pub use archive::{
    Archive, ArchivedCollection, Damaged, FORMAT_VERSION, Leftover, MANIFEST_FILE, Manifest,
    Pruned, Role, Shelf,
};
pub use backup::{BackupOptions, back_up, back_up_what_can_be_read};
pub use clean_up::{CleanUpOptions, clean_up};
pub use clean_up_mark::{Verified, unfinished_clean_up};
pub use clean_up_report::{CleanUpReport, CleanedCollection};
pub use options::{CompressionLevel, MigrationOptions, OnConflict};
pub use progress::{Phase, Progress, Silent};
pub use quarantine::{Quarantine, set_aside};
pub use report::{
    CollectionReport, Counts, DanglingReference, DanglingReferences, Floors, Listed, MAX_NAMED,
    MigrationReport, Outcome, PhaseTime, Resumed,
};
pub use restore::{RestoreOptions, archived_schemas, restore};
pub use run::migrate;
pub use schema::{manifest_schema, report_schema};
pub use status::{CollectionStatus, OwnerStatus, Unfinished, status};
pub use upgrade::{
    UpgradeOptions, UpgradeOutcome, UpgradeReport, refuse_unfinished_upgrade, upgrade,
};
pub use verify::{VerifyOptions, verify};
pub use verify_report::{
    Aspect, CollectionVerification, Depth, Difference, DifferenceKind, SideSummary, VerifyReport,
};
