//! The data service without HTTP: entries, datasets, datapoints, their revisions and their
//! bytes.
//!
//! Records are in any store of the engine, bytes in stores of blobs. The rule that all of it
//! keeps: **no active record without its verified bytes, and no bytes without a record.** A
//! blob is recorded as pending before its first byte, and becomes active in the same commit as
//! what refers to it. What was left half done, by whatever crash, is found through its record
//! and removed by the [sweeper](DataService::sweep).
//!
//! [`DataService::open`] begins with an example.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod blobs;
mod checks;
pub mod collections;
mod datapoints;
mod datasets;
pub mod directory;
mod entries;
mod hashing;
mod holds;
mod hooks;
mod layout;
pub mod model;
mod options;
mod paging;
pub mod pipeline;
mod quotas;
mod records;
mod refusal;
mod revisions;
mod search;
pub mod selector;
mod service;
pub mod sources;
mod spool;
pub mod storage_manager;
mod stores;
mod sweep;
mod uploads;
mod usage;
mod waiting;

pub use datapoints::{DatapointValue, FileStream, NewDatapoint};
pub use datasets::{DatasetPatch, NewDataset};
pub use entries::{EntryFilter, EntryPatch, NewContent, NewEntry};
pub use holds::NewHold;
pub use hooks::{Hooks, Step};
pub use layout::LAYOUT_VERSION;
pub use options::{DataOptions, InlineText, Quotas};
pub use paging::{PageOf, PageRequest};
pub use records::Versioned;
pub use refusal::Refusal;
pub use revisions::{NewRevision, RevisedContent, RevisionPage, WhichRevision};
pub use search::{Criterion, Search, SearchOperator};
pub use service::DataService;
pub use stores::BlobStores;
pub use sweep::{SweepReport, SweepTask};
pub use uploads::{Checksum, NewUpload, Piece, UploadProgress};
