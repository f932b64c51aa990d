//! Archives: a folder with `manifest.json` and one `<collection>.jsonl.zst` a
//! collection, each line one record as [`ndjson`](crate::ndjson) writes it. Where the
//! history is kept, older versions are in `<collection>.versions.jsonl.zst`, and what
//! belongs to them, as tags, in `system.items.jsonl.zst`. Where blobs were asked for,
//! `system.blobs.jsonl.zst` lists them, and `blobs/` may hold their bytes.
//!
//! An archive is complete or not there at all: in a folder it gets its name when all of
//! it is on disk; in an object store it is one when it has its manifest, which comes last. Reading one proves it: the manifest carries a checksum, and
//! the digest of every file.

pub(crate) mod blob_lines;
mod blobs;
mod dir;
mod draft;
mod errors;
pub(crate) mod filling;
mod found;
mod handle;
mod history;
mod lines;
mod lock;
mod manifest;
#[cfg(feature = "blobs")]
mod object_dir;
#[cfg(feature = "blobs")]
mod object_draft;
#[cfg(feature = "blobs")]
mod object_sink;
pub(crate) mod place;
mod reader;
mod sink;
mod store;
mod writer;

pub use blob_lines::ArchivedBlobs;
pub use dir::{ArchiveDirectory, Pruned};
pub use found::{Damaged, Leftover};
pub use handle::Archive;
pub use history::{ArchivedHistory, ArchivedItems};
pub use manifest::{ArchivedCollection, FORMAT_VERSION, MANIFEST_FILE, Manifest, Role};
pub(crate) use store::ArchivedStore;
pub(crate) use writer::{ArchiveWriter, CollectionWriter, WrittenCollection};
