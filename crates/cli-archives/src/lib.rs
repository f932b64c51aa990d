//! Archives and blobs on the command line: their flags, and the commands about archives.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(not(feature = "blobs"))]
mod absent;
pub mod backups;
mod blobs;
mod configured;
mod filled;
mod place;
#[cfg(feature = "blobs")]
mod present;

pub use blobs::{BackupArgs, CheckArgs, MoveArgs, RestoreArgs};
pub use configured::{Configured, ServerBlobs};
