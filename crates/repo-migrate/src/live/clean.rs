//! The end of a live migration that empties the source as well.
//!
//! 1. The target is released: it is a store of its own.
//! 2. The source goes into an archive.
//! 3. It is emptied by a handle that works for the live migration, which it takes part in to
//!    the end. Nobody else may write to it at any time.
//! 4. It is released.

use std::sync::Arc;

use repo_core::strategy::{CaptureHolder, JobKind, StorageStrategy, StoreRecord, StoreUpdate};
use repo_core::{Error, ErrorKind, Result, Schemas};
use repo_feed::Consumers;

use super::end::{release_retired, release_target};
use super::pair::{LivePlace, LiveStores, without_id};
use crate::back_up::{BackupOptions, back_up};
use crate::cleanup::{CleanUpOptions, CleanUpReport, Removal, Verified, empty};
use crate::progress::Progress;

const OPERATION: &str = "finish the live migration";

/// As [`finish`](super::finish), and removes from the source what the target holds, in the same
/// version or a later one. An archive of the source is made first. What the target does
/// not hold stays, and is named. Safe to repeat until it has finished.
///
/// # Errors
/// As [`finish`](super::finish), [`back_up`] and [`clean_up`](crate::clean_up); `Unsupported` for a
/// source that keeps histories, before anything is done.
pub async fn finish_and_clean_up(
    stores: LiveStores<'_>,
    schemas: &Schemas,
    backup: &BackupOptions,
    options: &CleanUpOptions,
    progress: &dyn Progress,
) -> Result<CleanUpReport> {
    let source = stores.source.open(None).await?;
    let target = stores.target.open(None).await?;
    let ended = async {
        let record = begin_to_end(source.as_ref(), target.as_ref()).await?;
        if record.job.is_none() {
            back_up(&source, schemas, backup, progress).await?;
        }
        clean(stores.source, (&record, &target), options, progress).await
    };
    let ended = ended.await;
    source.close().await?;
    target.close().await?;
    ended
}

async fn begin_to_end(
    source: &dyn StorageStrategy,
    target: &dyn StorageStrategy,
) -> Result<StoreRecord> {
    let history = source.store_record().await?.history;
    if !history.is_empty() {
        let kept: Vec<&str> = history.keys().map(repo_core::CollectionName::as_str).collect();
        let why = format!(
            "the source keeps the history of {}, in which what is removed would stay",
            kept.join(", ")
        );
        return Err(Error::new(ErrorKind::Unsupported, OPERATION, why)
            .with("store", source.location())
            .hint("finish without cleaning up, and remove the store with its own tools"));
    }
    release_target(source, target).await?.ok_or_else(|| {
        let why = "the live migration has ended already";
        Error::new(ErrorKind::NotFound, OPERATION, why)
            .with("store", source.location())
            .hint("remove the store with its own tools")
    })
}

async fn clean(
    place: &dyn LivePlace,
    (record, target): (&StoreRecord, &Arc<dyn StorageStrategy>),
    options: &CleanUpOptions,
    progress: &dyn Progress,
) -> Result<CleanUpReport> {
    let source = place.open(record.role.live).await?;
    let cleaned = async {
        let live = record.role.live.ok_or_else(|| without_id(source.location()))?;
        // Nobody reads what is captured from here on: consumers are in the target.
        Consumers::new(Arc::clone(&source)).remove_all().await?;
        let holder = CaptureHolder::new("live", &live.to_string())?;
        source.update_store_record(StoreUpdate::ReleaseCapture(holder)).await?;
        let names = record.collections.keys().cloned().collect();
        let verified = Verified::new((source.location(), target.location()), names, false);
        let how = (Removal::Tombstones, progress);
        let report = empty(&source, target, &verified, options, how).await?;
        let job = source.store_record().await?.job;
        if !job.is_some_and(|job| job.kind() == JobKind::CleanUp) {
            release_retired(place, source.as_ref(), &record.role).await?;
        }
        Ok(report)
    };
    let cleaned = cleaned.await;
    source.close().await?;
    cleaned
}
