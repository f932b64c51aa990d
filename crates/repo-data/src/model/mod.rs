//! The records, one file a kind.
//!
//! What a record holds is read freely and changed by the service alone: what is made by hand
//! is not stored.

mod blob;
mod datapoint;
mod dataset;
mod entry;
mod hold;
mod ids;
mod json;
mod outside;
mod owner;
mod revision;
mod store_name;
mod upload;
mod usage;

pub use blob::{BlobRecord, BlobRef, BlobState, Holder, HolderKind};
pub use datapoint::{DataType, Datapoint, DatapointStatus, FileOfDatapoint};
pub use dataset::{Dataset, DatasetState};
pub use entry::{Content, Entry, EntryKind, EntryStatus, Share, ShareStatus};
pub use hold::Hold;
pub use ids::{derived_id, new_id};
pub use json::{Fields, Json};
pub use outside::{ContentKind, OutsideFile, OutsideLocation, StorageType};
pub use owner::Owner;
pub use revision::{Revision, Snapshot};
pub use store_name::StoreName;
pub use upload::{PartRecord, UploadId, UploadKind, UploadRecord, UploadState};
pub use usage::{Scope, Usage, UsageRecord};
