//! The section `migration` of a configuration.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `migration` section: defaults for the flags of `migrateRepository`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MigrationConfig {
    /// Records in one batch.
    #[schemars(range(min = 1))]
    pub batch_size: NonZeroUsize,
    /// Whether the source is backed up before the first write.
    pub create_backup: bool,
    /// The folder for backups.
    pub backup_location: PathBuf,
    /// Whether both sides are compared after the last write.
    pub validate_after_migration: bool,
    /// Whether verified records are meant to be deleted from the source. The
    /// setting alone does nothing: the command line has to ask for it too.
    pub cleanup_source: bool,
    /// Batches copied at the same time.
    #[schemars(range(min = 1))]
    pub parallel_workers: NonZeroUsize,
}

impl Default for MigrationConfig {
    fn default() -> Self {
        let count = |number| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
        Self {
            batch_size: count(250),
            create_backup: true,
            backup_location: PathBuf::from("backups"),
            validate_after_migration: true,
            cleanup_source: false,
            parallel_workers: count(4),
        }
    }
}
