//! What a run reports at its end.

mod blobs;
mod clean_up;
mod migration;
mod parts;
pub(crate) mod run_report;
mod schema;

pub use blobs::{
    BlobCount, BlobDepth, BlobProblem, BlobProblemKind, BlobProblems, BlobsReport,
    BlobsVerification,
};
pub use migration::{CollectionReport, MigrationReport, Outcome, Resumed};
pub use parts::{
    Carried, Counts, DanglingReference, DanglingReferences, Floors, HistoryReport, KeptHistory,
    Listed, MAX_NAMED, PhaseTime,
};
pub use schema::{manifest_schema, report_schema};
