//! How a collection is to be upgraded.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use repo_core::CollectionName;

use crate::options::CompressionLevel;

/// How a collection is to be upgraded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeOptions {
    /// The collection.
    pub collection: CollectionName,
    /// The schema version that its documents are to have.
    pub to: u32,
    /// The folder in which the archive gets a folder of its own.
    pub backup: PathBuf,
    /// How hard it is compressed.
    pub compression: CompressionLevel,
    /// Entities that are written in one commit, at most.
    pub batch_size: NonZeroUsize,
    /// Whether to do all checks and write nothing.
    pub dry_run: bool,
    /// How long a batch that the store refuses for now (`Unavailable`) is
    /// tried again.
    pub patience: Duration,
}
