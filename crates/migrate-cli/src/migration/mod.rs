//! Moving collections between two stores so that an operator can trust it
//! with the only copy: check → backup → copy → verify → report.
//!
//! `migrate(source, target, schemas, options, progress) -> Result<MigrationReport>`
//! and `verify(source, target, collections, progress) -> Result<VerifyReport>`
//! are all that a caller needs. [`lines`] is the text form of a record that
//! archives, `export` and `import` share.

pub mod lines;
mod options;
mod progress;
mod report;
mod verify_report;

pub use options::{MigrationOptions, OnConflict};
pub use progress::{Phase, Progress, Silent};
pub use report::{
    CollectionReport, Counts, DanglingReference, DanglingReferences, Floors, Listed, MAX_NAMED,
    MigrationReport, Outcome, PhaseTime,
};
pub use verify_report::{
    Aspect, CollectionVerification, Difference, DifferenceKind, SideSummary, VerifyReport,
};
