//! What a live migration finds out before it claims a store.

use repo_core::strategy::{StorageStrategy, StoreRecord};
use repo_core::{CollectionSchema, Error, ErrorKind, Result, Timestamp};
use repo_history::prune_under_way;

/// Refuses stores that do not hold the collections as they are declared. A program that
/// opens the target after the switch would refuse it, when it is too late.
///
/// # Errors
/// `ConfigInvalid` for a collection with another id field; `Unsupported` for one that the
/// target has in a later schema version; else as
/// [`check_prepare`](StorageStrategy::check_prepare).
pub(super) async fn other_schemas(
    source: &dyn StorageStrategy,
    (target, prepared): (&dyn StorageStrategy, &StoreRecord),
    operation: &'static str,
    declared: &[CollectionSchema],
) -> Result<()> {
    for (side, store) in [("source", source), ("target", target)] {
        store.check_prepare(declared).await.map_err(|error| error.with("side", side))?;
    }
    for schema in declared {
        let found = prepared.collections.get(&schema.collection).map(|state| state.schema_version);
        if let Some(found) = found.filter(|found| *found > schema.schema_version) {
            let why = "the target was prepared for a later schema version than the source has";
            return Err(Error::new(ErrorKind::Unsupported, operation, why)
                .with("store", target.location())
                .with("collection", &schema.collection)
                .with("source_version", schema.schema_version)
                .with("target_version", found)
                .hint("upgrade the source first, or choose another target"));
        }
    }
    Ok(())
}

/// Refuses a source of which versions are being removed: the store would refuse the rest of
/// the prune.
///
/// # Errors
/// `Locked`, with the collection.
pub(super) async fn prune_runs(
    source: &dyn StorageStrategy,
    operation: &'static str,
    now: Timestamp,
) -> Result<()> {
    let Some(collection) = prune_under_way(source, now).await? else { return Ok(()) };
    let why = "older versions of a collection of the source are being pruned";
    Err(Error::new(ErrorKind::Locked, operation, why)
        .with("store", source.location())
        .with("collection", collection)
        .hint("wait until that has ended; one that was broken off counts for a minute"))
}
