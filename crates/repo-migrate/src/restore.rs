//! Restoring an archive: a migration whose source is the archive, into a store
//! that holds nothing else.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use repo_core::strategy::StorageStrategy;
use repo_core::{CollectionName, CollectionSchema, Result, Schemas};

use crate::Archive;
use crate::MigrationOptions;
use crate::MigrationReport;
use crate::OnConflict;
use crate::archive::ArchivedStore;
use crate::blobs::places::BlobMove;
use crate::migrate::run;
use crate::plan::Purpose;
use crate::progress::Progress;
use crate::store_reference::StoreReference;

/// How an archive is to be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Which collections; `None` means every collection of the archive.
    pub collections: Option<Vec<CollectionName>>,
    /// Records in one batch.
    pub batch_size: NonZeroUsize,
    /// Whether archive and store are compared after the last write.
    pub verify: bool,
    /// Whether to do all checks and write nothing.
    pub dry_run: bool,
    /// Whether an unfinished migration or restore on the target is dropped.
    pub restart: bool,
    /// Batches that are written at a time, at most.
    pub workers: NonZeroUsize,
    /// Entities that are copied in a second, at most; `None` for no limit.
    pub rate_limit: Option<NonZeroUsize>,
    /// How long a batch that the store refuses for now is tried again.
    pub patience: Duration,
    /// Whether older versions, tags and what else belongs to them are left behind.
    pub without_history: bool,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        let MigrationOptions { batch_size, workers, rate_limit, patience, .. } =
            MigrationOptions::default();
        Self {
            collections: None,
            batch_size,
            verify: true,
            dry_run: false,
            restart: false,
            workers,
            rate_limit,
            patience,
            without_history: false,
        }
    }
}

/// The schemas to restore an archive with: the declared one where it has the id
/// field that the records were written with, and their version or an upgrade
/// from it, else the one that the archive kept. Other declared collections are there as well.
///
/// # Errors
/// `ConfigInvalid` when a kept schema is not one.
pub fn archived_schemas(archive: &Archive, declared: &Schemas) -> Result<Schemas> {
    let mut schemas: Vec<CollectionSchema> = declared.iter().cloned().collect();
    for entry in &archive.manifest().collections {
        let kept = entry.collection_schema()?;
        let fits = |schema: &CollectionSchema| {
            let leads_there =
                schema.upgrade_path(kept.schema_version, schema.schema_version).is_some();
            leads_there && schema.id_field == kept.id_field
        };
        if !declared.declared(&entry.name).is_some_and(fits) {
            schemas.push(kept);
        }
    }
    // Of two with one name the later counts: the one that the archive kept.
    Ok(schemas.into_iter().collect())
}

/// Restores an archive into a store of any strategy, which holds none of the
/// archive's collections, or the same records: then nothing is written. The
/// archive is read in full and checked before the first write, and compared
/// with the store after the last one. `schemas` are those that the store was
/// opened with, from [`archived_schemas`].
///
/// # Errors
/// Before anything is written: `Corrupt` when the archive is damaged;
/// `AlreadyExists` when the store holds other records, by name; `Invalid` when it
/// cannot hold an entity; `Locked` while another run into it is unfinished.
pub async fn restore(
    archive: &Archive,
    target: &Arc<dyn StorageStrategy>,
    schemas: &Schemas,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<MigrationReport> {
    restore_along(archive, target, (schemas, options), None, progress).await
}

/// The same; `blobs` go along.
pub(crate) async fn restore_along(
    archive: &Archive,
    target: &Arc<dyn StorageStrategy>,
    (schemas, options): (&Schemas, &RestoreOptions),
    blobs: Option<&BlobMove>,
    progress: &dyn Progress,
) -> Result<MigrationReport> {
    let source: Arc<dyn StorageStrategy> = Arc::new(ArchivedStore::new(archive.clone()));
    let options = MigrationOptions {
        collections: options.collections.clone(),
        batch_size: options.batch_size,
        backup: None,
        verify: options.verify,
        dry_run: options.dry_run,
        on_conflict: OnConflict::Fail,
        restart: options.restart,
        workers: options.workers,
        rate_limit: options.rate_limit,
        patience: options.patience,
        without_history: options.without_history,
        ..MigrationOptions::default()
    };
    let sides = (StoreReference::source(&source), StoreReference::target(target));
    let from = (Some(archive.clone()), blobs);
    Box::pin(run(Purpose::Restore, sides, from, (schemas, &options), progress)).await
}
