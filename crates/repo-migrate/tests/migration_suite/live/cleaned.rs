//! A live migration ends, and the source is emptied.

use std::num::NonZeroUsize;

use repo_core::strategy::{StorageStrategyExt as _, StoreRole};
use repo_core::{Error, ErrorKind, Result, Schemas};
use repo_migrate::live::{self, LivePhase, LiveStores};
use repo_migrate::{BackupOptions, CleanUpOptions, CleanUpReport, Silent};

use super::support::{Move, all, document, key};

async fn switched(source: &str, target: &str) -> Move {
    let moving = Move::new(source, target).await;
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    moving.switch().await.unwrap();
    drop(stop);
    mover.await.unwrap().unwrap();
    moving
}

async fn finish(moving: &Move, folder: &std::path::Path) -> Result<CleanUpReport> {
    finish_and_clean_up(moving.stores(), folder).await
}

pub(super) async fn finish_and_clean_up(
    stores: LiveStores<'_>,
    folder: &std::path::Path,
) -> Result<CleanUpReport> {
    let few = NonZeroUsize::new(40).unwrap();
    let backup = BackupOptions::whole(folder.to_path_buf(), few);
    let options = CleanUpOptions::new(few, NonZeroUsize::new(2).unwrap());
    let schemas = Schemas::default();
    live::finish_and_clean_up(stores, &schemas, &backup, &options, &Silent).await
}

#[tokio::test]
async fn the_source_is_emptied_at_the_end() {
    for (source, target) in [("memory", "sqlite"), ("json", "memory"), ("sqlite", "json")] {
        let moving = switched(source, target).await;
        // Nobody carries over what is written now: the target has it in a later version.
        let routed = moving.routed().await;
        routed.save(key("old-001"), document("old-001", 7)).await.unwrap();
        routed.delete(key("old-002")).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let report = finish(&moving, folder.path()).await.unwrap();
        assert!(report.is_complete(), "{report:?}");
        assert_eq!((report.collections[0].deleted, report.collections[0].purged), (299, true));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let (source, target) = (moving.source.store().await, moving.target.store().await);
        assert!(all(source.as_ref()).await.is_empty());
        assert_eq!(all(target.as_ref()).await.values().filter(|r| r.is_live()).count(), 298);
        let record = source.store_record().await.unwrap();
        assert_eq!((record.role.role, record.role.live), (StoreRole::Retired, None));
        assert!(record.job.is_none() && !record.capture.is_on());
        assert!(record.role.route.is_some(), "it still names its successor");
        let error = source.save(key("late"), document("late", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(target.store_record().await.unwrap().role.live.is_none());
        let again = finish(&moving, folder.path()).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::NotFound);
    }
}

/// What was written past the fence, and the target does not have, is not removed.
#[tokio::test]
async fn what_only_the_source_has_stays() {
    let moving = switched("memory", "memory").await;
    let live = live::status(moving.stores()).await.unwrap().live;
    let worker = live::LivePlace::open(&moving.source, Some(live)).await.unwrap();
    let stray = all(worker.as_ref()).await.remove("old-007").unwrap();
    let repo_core::strategy::Record::Live(mut stray) = stray else { panic!() };
    stray.id = key("stray").id;
    stray.document = document("stray", 1);
    worker.apply(vec![repo_core::strategy::Record::Live(stray)]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let report = finish(&moving, folder.path()).await.unwrap();
    assert!(!report.is_complete());
    assert_eq!((report.collections[0].left.count, report.collections[0].deleted), (1, 299));
    let left = all(moving.source.store().await.as_ref()).await;
    assert_eq!(left.keys().collect::<Vec<_>>(), ["stray"]);
}

/// Until the target is the authority nothing is removed, nor of a source with a history.
#[tokio::test]
async fn it_is_refused_before_anything_is_removed() {
    let moving = Move::new("sqlite", "memory").await;
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    drop(stop);
    mover.await.unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error: Error = finish(&moving, folder.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    assert_eq!(all(moving.source.store().await.as_ref()).await.len(), 300);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    live::abort(moving.stores()).await.unwrap();
}
