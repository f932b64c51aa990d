//! The bytes that records of the collection `blobs` are about: copied before the records,
//! compared with what the records say, and kept in archives.
//!
//! `record` is always there. The rest needs the crate `repo-blob` and is behind the feature
//! `blobs`.

#[cfg(feature = "blobs")]
pub(crate) mod archived;
#[cfg(not(feature = "blobs"))]
#[path = "archived_absent.rs"]
pub(crate) mod archived;
#[cfg(feature = "blobs")]
mod census;
#[cfg(feature = "blobs")]
mod check;
#[cfg(feature = "blobs")]
mod copy;
#[cfg(feature = "blobs")]
mod listing;
pub(crate) mod named;
#[cfg(feature = "blobs")]
mod opening;
#[cfg(feature = "blobs")]
mod pace;
#[cfg(feature = "blobs")]
mod pages;
#[cfg(feature = "blobs")]
pub(crate) mod places;
#[cfg(not(feature = "blobs"))]
#[path = "absent.rs"]
pub(crate) mod places;
pub(crate) mod record;
#[cfg(feature = "blobs")]
mod restored;
#[cfg(feature = "blobs")]
mod room;
#[cfg(feature = "blobs")]
mod run;

#[cfg(feature = "blobs")]
pub use archived::{BlobBackup, KeptBlobs};
#[cfg(feature = "blobs")]
pub use check::verify_blobs;
#[cfg(feature = "blobs")]
pub use opening::{open_source, open_target};
#[cfg(feature = "blobs")]
pub use places::{BlobMove, BlobPlaces};
#[cfg(feature = "blobs")]
pub use restored::restore_with_blobs;
#[cfg(feature = "blobs")]
pub use run::migrate_with_blobs;
