//! The JSON files storage strategy.
//!
//! Documents stand in plain JSON files, in one file or one a collection, and
//! nothing of ours is in them: any tool can read them, and another tool may
//! have written them. Where `enable_compression` is on they are zstd streams of such text.
//! Beside them stands one set of files of our own:
//!
//! - `.meta`: versions, times and digests by id, tombstones, the store's own
//!   record; written whole at each checkpoint;
//! - `.journal`: what was committed since, one frame for each group of
//!   commits, synced before it is acknowledged;
//! - `.changes`: journals that are kept for the change feed, while somebody needs it;
//! - `.history`: what records were before, while the history of a collection is kept;
//! - `.lock`: held by the process that writes.
//!
//! Several processes may use one folder. It has to be on a local file system
//! of a Unix system: network file systems give locks, renames and syncs other
//! meanings.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod backup;
mod batch;
mod cache;
mod checkpoint;
mod chunk;
mod codec;
mod config;
mod damage;
mod data_file;
mod documents;
mod env;
mod errors;
mod external;
mod factory;
mod feed;
mod feed_record;
mod folder;
mod health;
mod history;
mod hooks;
mod identity;
mod index;
mod indexing;
mod journal;
mod layout;
mod lock;
#[doc(hidden)]
pub mod measured;
mod meta;
mod names;
mod older;
mod packed;
mod publish_edits;
mod reader;
mod recovery;
mod resolve;
mod scan;
mod segments;
mod selection;
mod session;
mod snapshot;
mod span;
mod state;
mod store;
mod strategy;
mod sweep;
mod table;
mod thread;
mod writer;

pub use config::{CheckpointOnClose, DEFAULT_SINGLE_FILE, Filenames, JsonSettings, StorageType};
pub use factory::JsonFactory;
pub use resolve::{Keep, Resolved, resolve};
pub use strategy::JsonStrategy;

#[cfg(test)]
mod tests;
