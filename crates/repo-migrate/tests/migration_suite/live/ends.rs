//! A live migration is given up when its target cannot be reached.

use async_trait::async_trait;
use repo_core::strategy::{LiveId, RoleChange, StorageStrategyExt as _, StoreRole, StoreUpdate};
use repo_core::{Error, ErrorKind, Result};
use repo_migrate::live::{self, LivePhase, LivePlace, LiveStores};

use super::support::{self, Move, Place, Store, document, key};

/// A place that answers nothing but this.
#[derive(Debug)]
struct Away(ErrorKind);

#[async_trait]
impl LivePlace for Away {
    async fn open(&self, _works_for: Option<LiveId>) -> Result<Store> {
        Err(Error::new(self.0, "open", "the disk is not there"))
    }
}

fn without_target<'a>(moving: &'a Move, away: &'a Away) -> LiveStores<'a> {
    LiveStores { source: &moving.source, target: away }
}

async fn ready(source: &str, target: &str) -> Move {
    let moving = Move::new(source, target).await;
    support::ready(&moving).await;
    moving
}

async fn fence(place: &Place) {
    let store = place.store().await;
    let role = store.store_record().await.unwrap().role;
    let mut next = role.clone();
    next.role = StoreRole::Fenced;
    next.attempt += 1;
    next.max_pause_ms = Some(60_000);
    let change = Box::new(RoleChange::new(role, next));
    store.update_store_record(StoreUpdate::Role(change)).await.unwrap();
}

async fn check_free(place: &Place) {
    let store = place.store().await;
    let record = store.store_record().await.unwrap();
    assert!(record.role.live.is_none() && record.role.takes_writes(), "{:?}", record.role);
    assert!(!record.capture.is_on());
    store.save(key("after"), document("after", 1)).await.unwrap();
}

#[tokio::test]
async fn a_move_is_given_up_without_its_target() {
    let away = Away(ErrorKind::Unavailable);
    for (source, target, fenced) in
        [("sqlite", "json", false), ("json", "sqlite", true), ("memory", "memory", true)]
    {
        let moving = ready(source, target).await;
        if fenced {
            fence(&moving.source).await;
        }
        let report = live::abort(without_target(&moving, &away)).await.unwrap();
        let store = moving.target.store().await;
        assert!(!report.target_released);
        assert_eq!(report.left.as_deref(), Some(store.location()));
        assert!(report.reason.is_some_and(|reason| reason.contains("the disk is not there")));
        check_free(&moving.source).await;
        // The target waits, and nobody writes to it.
        let error = store.save(key("no"), document("no", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert_eq!(moving.switch().await.unwrap_err().kind(), ErrorKind::NotFound);
        // A new one does not take up what was given up.
        let (mover, stop) = moving.begin();
        let error = mover.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.hint_text().is_some_and(|hint| hint.contains("abort")), "{error}");
        drop(stop);
        // Nothing is left to be done without it.
        let again = live::abort(without_target(&moving, &away)).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Unavailable);
        let report = live::abort(moving.stores()).await.unwrap();
        assert!(report.target_released && report.left.is_none());
        check_free(&moving.target).await;
    }
}

/// A database that was removed is a target that is lost; another empty one is not.
#[tokio::test]
async fn a_target_that_was_removed_is_lost() {
    let moving = ready("json", "sqlite").await;
    let other = LiveStores { source: &moving.source, target: &Place::new("sqlite") };
    assert_eq!(live::abort(other).await.unwrap_err().kind(), ErrorKind::Locked);
    let Place::Sqlite(folder) = &moving.target else { unreachable!() };
    for file in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let report = live::abort(moving.stores()).await.unwrap();
    assert!(!report.target_released, "{report:?}");
    check_free(&moving.source).await;
}

/// What was typed wrong, and a store that is in use, are told; nothing is given up.
#[tokio::test]
async fn not_every_refusal_is_a_loss() {
    let moving = ready("sqlite", "memory").await;
    for kind in [ErrorKind::ConfigInvalid, ErrorKind::Locked, ErrorKind::Unsupported] {
        let away = Away(kind);
        let error = live::abort(without_target(&moving, &away)).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    assert_eq!(live::status(moving.stores()).await.unwrap().phase, LivePhase::Ready);
    live::abort(moving.stores()).await.unwrap();
}

/// Once the target is the authority, its loss is no reason to write to the source again.
#[tokio::test]
async fn nothing_is_given_up_after_the_switch() {
    let moving = ready("sqlite", "json").await;
    moving.switch().await.unwrap();
    let away = Away(ErrorKind::Unavailable);
    let error = live::abort(without_target(&moving, &away)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    let role = moving.source.store().await.store_record().await.unwrap().role;
    assert_eq!(role.role, StoreRole::Retired);
}
