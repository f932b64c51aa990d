//! A backup of the records.

use std::path::PathBuf;
use std::sync::Arc;

use repo_core::strategy::StorageStrategy;
use repo_core::{Result, Schemas};
use repo_migrate::{Archive, BackupOptions, MigrationConfig, Progress};

/// Writes everything that the store holds into an archive of its own below the folder, and
/// reads it back. Blobs are not in it; their records, with the digests, are.
///
/// # Errors
/// Those of `repo_migrate::back_up`.
pub async fn back_up(
    store: &Arc<dyn StorageStrategy>,
    schemas: &Schemas,
    config: &MigrationConfig,
    folder: Option<PathBuf>,
    progress: &dyn Progress,
) -> Result<Archive> {
    let folder = folder.unwrap_or_else(|| config.backup_location.clone());
    let options = BackupOptions::whole(folder, config.batch_size);
    repo_migrate::back_up(store, schemas, &options, progress).await
}
