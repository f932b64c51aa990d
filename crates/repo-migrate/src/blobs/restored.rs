//! Restoring an archive with its blobs.

use std::sync::Arc;

use repo_core::strategy::StorageStrategy;
use repo_core::{Error, ErrorKind, Result, Schemas};

use super::places::{BlobMove, BlobPlaces};
use super::record::{COLLECTION, collection};
use crate::archive::Archive;
use crate::progress::Progress;
use crate::report::MigrationReport;
use crate::restore::{RestoreOptions, restore_along};

/// As [`restore`](crate::restore()), and the blobs of the archive go back into the stores of
/// `blobs`, before the records. The blobs of the stores are compared with the restored
/// records afterwards. That is all where the archive holds digests alone, or no blobs: then
/// the bytes have to be there by other means.
///
/// # Errors
/// Those of `restore`, and of [`migrate_with_blobs`](crate::migrate_with_blobs).
pub async fn restore_with_blobs(
    archive: &Archive,
    target: &Arc<dyn StorageStrategy>,
    (schemas, options): (&Schemas, &RestoreOptions),
    blobs: &BlobMove,
    progress: &dyn Progress,
) -> Result<MigrationReport> {
    let name = collection()?;
    if options.collections.as_ref().is_some_and(|names| !names.contains(&name)) {
        let message = "blobs are put back, and the collection of their records is not";
        return Err(Error::new(ErrorKind::ConfigInvalid, "restore", message)
            .with("collection", COLLECTION)
            .hint("name the collection blobs as well, or leave the blobs"));
    }
    let contents = archive.manifest().blobs.as_ref().is_some_and(|blobs| blobs.contents);
    let from =
        if contents { BlobPlaces::one(archive.blob_store().await?) } else { BlobPlaces::default() };
    let moved = BlobMove { from, ..blobs.clone() }.of_archive(archive.clone());
    restore_along(archive, target, (schemas, options), Some(&moved), progress).await
}
