//! What the operator chose.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use repo_core::CollectionName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a migration is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationOptions {
    /// Which collections; `None` means every collection of the source.
    pub collections: Option<Vec<CollectionName>>,
    /// Records in one batch: what is read, compared and applied at a time.
    pub batch_size: NonZeroUsize,
    /// The folder in which archives are made before the first write to the
    /// target; `None` makes none.
    pub backup: Option<PathBuf>,
    /// Whether both sides are read again and compared after the last write.
    pub verify: bool,
    /// Whether to do all checks and write nothing on either side.
    pub dry_run: bool,
    /// What to do with records of the target that differ.
    pub on_conflict: OnConflict,
}

impl Default for MigrationOptions {
    fn default() -> Self {
        Self {
            collections: None,
            batch_size: NonZeroUsize::new(100).unwrap_or(NonZeroUsize::MIN),
            backup: Some(PathBuf::from("backups")),
            verify: true,
            dry_run: false,
            on_conflict: OnConflict::Fail,
        }
    }
}

/// What to do when the target already holds records that differ from the
/// source's, or that the source does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnConflict {
    /// Refuse before anything is written, and name them.
    #[default]
    Fail,
    /// Keep the record with the higher version.
    Newer,
    /// Write the source's document, at a version above the target's.
    Overwrite,
}
