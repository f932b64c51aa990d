//! Archives: a folder with `manifest.json` and one `<collection>.jsonl.zst` a
//! collection, each line one record as [`ndjson`](crate::ndjson) writes it. Where the
//! history is kept, older versions are in `<collection>.versions.jsonl.zst`, and what
//! belongs to them, as tags, in `system.items.jsonl.zst`.
//!
//! An archive is complete or not there at all: it gets its name when all of
//! it is on disk. Reading one proves it: the manifest carries a checksum, and
//! the digest of every file.

mod dir;
mod errors;
pub(crate) mod filling;
mod handle;
mod history;
mod lines;
mod lock;
mod manifest;
mod reader;
mod store;
mod writer;

pub use dir::{ArchiveDirectory, Damaged, Leftover, Pruned};
pub use handle::Archive;
pub use history::{ArchivedHistory, ArchivedItems};
pub use manifest::{ArchivedCollection, FORMAT_VERSION, MANIFEST_FILE, Manifest, Role};
pub(crate) use store::ArchivedStore;
pub(crate) use writer::{ArchiveWriter, CollectionWriter, WrittenCollection};
