//! A store moves while programs write to it, and moves back.

mod begins;
mod churn;
mod cleaned;
mod consumers;
mod consumers_between;
mod ends;
mod histories;
mod kills;
mod meanwhile;
mod measured;
mod pauses;
mod statuses;
mod support;
mod tail;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use repo_core::strategy::{
    RoleChange, StorageStrategy as _, StorageStrategyExt as _, StoreRole, StoreUpdate,
};
use repo_core::{ErrorKind, Schemas};
use repo_feed::{ConsumerName, Consumers, SubscribeOptions};
use repo_migrate::Silent;
use repo_migrate::live::{self, LiveOptions, LivePhase, SwitchOptions};
use support::{Move, Place, all, document, key, schemas, writer};

async fn there_and_back(source: &str, target: &str) {
    let moving = Move::new(source, target).await;
    let routed = moving.routed().await;
    let ended = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..4).map(|n| writer(Arc::clone(&routed), n, Arc::clone(&ended))).collect();
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    let report = moving.switch().await.unwrap();
    assert!(report.switched && report.epoch == 1 && report.pause_ms < 5_000, "{report:?}");
    moving.until(LivePhase::Switched).await;
    let report = live::back(moving.stores(), SwitchOptions::default()).await.unwrap();
    assert!(report.switched && report.epoch == 2, "{report:?}");
    let report = moving.switch().await.unwrap();
    assert!(report.switched && report.epoch == 3, "{report:?}");
    ended.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeMap::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    live::finish(moving.stores()).await.unwrap();
    mover.await.unwrap().unwrap();
    drop(stop);
    let authority = moving.target.store().await;
    let stored = all(authority.as_ref()).await;
    for (id, version) in acknowledged {
        assert_eq!(stored[&id].version().get(), version, "{id}");
    }
    assert_eq!(stored.keys().filter(|id| id.starts_with("old-")).count(), 300);
    assert!(!stored["old-000"].is_live());
    let retired = moving.source.store().await;
    let error = retired.save(key("late"), document("late", 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert_eq!(error.context_value("successor"), Some(authority.location()));
    for store in [&authority, &retired] {
        let record = store.store_record().await.unwrap();
        assert!(record.role.live.is_none() && !record.capture.is_on(), "{record:?}");
    }
    assert_eq!(routed.location(), authority.location());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_memory_to_memory_and_back() {
    there_and_back("memory", "memory").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_json_to_sqlite_and_back() {
    there_and_back("json", "sqlite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_sqlite_to_json_and_back() {
    there_and_back("sqlite", "json").await;
}

/// Before it has begun, everything is refused in words.
#[tokio::test]
async fn without_a_beginning_there_is_nothing_to_do() {
    let moving = Move::new("memory", "memory").await;
    assert_eq!(live::status(moving.stores()).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(moving.switch().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(live::finish(moving.stores()).await.unwrap_err().kind(), ErrorKind::NotFound);
    live::abort(moving.stores()).await.unwrap();
}

/// A move that is given up leaves the source as it was, and the target to itself.
#[tokio::test]
async fn a_move_is_given_up() {
    let moving = Move::new("sqlite", "json").await;
    let (mover, _stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    assert_eq!(live::finish(moving.stores()).await.unwrap_err().kind(), ErrorKind::Locked);
    live::abort(moving.stores()).await.unwrap();
    mover.await.unwrap().unwrap();
    live::abort(moving.stores()).await.unwrap();
    for place in [&moving.source, &moving.target] {
        let store = place.store().await;
        let record = store.store_record().await.unwrap();
        assert!(record.role.live.is_none() && record.role.takes_writes());
        assert!(!record.capture.is_on());
        store.save(key("after"), document("after", 1)).await.unwrap();
    }
    // It can begin again, with an empty target.
    let again = Move { source: moving.source, target: Place::new("memory") };
    let (mover, _stop) = again.begin();
    again.until(LivePhase::Ready).await;
    live::abort(again.stores()).await.unwrap();
    mover.await.unwrap().unwrap();
}

/// A run that was stopped goes on where it was, by the same call.
#[tokio::test]
async fn a_stopped_run_is_resumed() {
    let moving = Move::new("json", "sqlite").await;
    for _ in 0..3 {
        let (mover, stop) = moving.begin();
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(stop);
        mover.await.unwrap().unwrap();
    }
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    stop.send(()).unwrap();
    mover.await.unwrap().unwrap();
    // Nobody follows now: the switch carries what is left.
    let store = moving.source.store().await;
    store.save(key("old-001"), document("old-001", 7)).await.unwrap();
    moving.switch().await.unwrap();
    let target = moving.target.store().await;
    assert_eq!(all(target.as_ref()).await["old-001"].version().get(), 2);
}

/// A dry run says that the switch could be made, and makes none.
#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let moving = Move::new("memory", "json").await;
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    let options = SwitchOptions::default().with_dry_run(true);
    let report = live::switch(moving.stores(), options).await.unwrap();
    assert!(!report.switched);
    moving.until(LivePhase::Ready).await;
    drop(stop);
    mover.await.unwrap().unwrap();
}

/// A document that somebody changed in the target under the same version is found, and named,
/// and nothing is switched.
#[tokio::test]
async fn a_flipped_document_refuses_the_switch() {
    let moving = Move::new("memory", "sqlite").await;
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    drop(stop);
    mover.await.unwrap().unwrap();
    let Place::Sqlite(folder) = &moving.target else { panic!() };
    let other = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
    // A tool that knows what it does, and takes the fence away.
    other
        .execute_batch(
            "DROP TRIGGER \"items-fence-update-trigger\"; \
             UPDATE items_records SET document = replace(document, '0', '9') \
             WHERE id = 'old-123'",
        )
        .unwrap();
    let verified = live::verify(moving.stores(), &LiveOptions::default(), &Silent).await.unwrap();
    assert_eq!(verified.differences, 1, "{verified:?}");
    assert_eq!(verified.named[0].key, "items/old-123");
    let error = moving.switch().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    assert_eq!(
        moving.source.store().await.store_record().await.unwrap().role.role,
        StoreRole::Authority
    );
}

/// What a live migration does not carry over is refused before anything is changed.
#[tokio::test]
async fn what_cannot_be_carried_over_is_refused() {
    let moving = Move::new("memory", "memory").await;
    let (source, target) = (moving.source.store().await, moving.target.store().await);
    let start = async |moving: &Move| {
        live::start(moving.stores(), &Schemas::default(), &LiveOptions::default(), &Silent).await
    };
    // A store moves to no place that holds something, nor to itself.
    let full = Move { source: Place::new("memory"), target: moving.source.clone() };
    full.source.store().await.prepare(&schemas()).await.unwrap();
    assert_eq!(start(&full).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let same = Move { source: full.source.clone(), target: full.source.clone() };
    assert_eq!(start(&same).await.unwrap_err().kind(), ErrorKind::Invalid);
    let served = Move { source: full.source.clone(), target: Place::new("memory") };
    let other = served.target.store().await;
    other.prepare(&schemas()).await.unwrap();
    let subscribe = SubscribeOptions::default();
    let consumers = Consumers::new(Arc::clone(&other));
    consumers.subscribe(&ConsumerName::new("a").unwrap(), subscribe).await.unwrap();
    assert_eq!(start(&served).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    for store in [&source, &target, &other, &full.source.store().await] {
        assert!(store.store_record().await.unwrap().role.is_unused());
    }
}

/// A switch that slept through its cancellation decides nothing.
#[tokio::test]
async fn a_cancelled_switch_decides_nothing() {
    let moving = Move::new("memory", "memory").await;
    let (mover, _stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    let switching = moving.switch();
    let cancel = async {
        let source = moving.source.store().await;
        loop {
            let role = source.store_record().await.unwrap().role;
            if role.role == StoreRole::Fenced {
                let mut next = role.clone();
                next.role = StoreRole::Authority;
                next.attempt += 1;
                next.max_pause_ms = None;
                let change = Box::new(RoleChange::new(role, next));
                source.update_store_record(StoreUpdate::Role(change)).await.unwrap();
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let (switched, ()) = futures::future::join(switching, cancel).await;
    assert_eq!(switched.unwrap_err().kind(), ErrorKind::Locked);
    let role = moving.source.store().await.store_record().await.unwrap().role;
    assert_eq!((role.role, role.epoch), (StoreRole::Authority, 0));
    live::abort(moving.stores()).await.unwrap();
    mover.await.unwrap().unwrap();
}

/// A killed switch is finished by the next one, or given up.
#[tokio::test]
async fn a_killed_switch_is_finished() {
    let moving = Move::new("memory", "memory").await;
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    drop(stop);
    mover.await.unwrap().unwrap();
    let source = moving.source.store().await;
    let role = source.store_record().await.unwrap().role;
    let mut next = role.clone();
    next.role = StoreRole::Fenced;
    next.attempt += 1;
    next.max_pause_ms = Some(60_000);
    let change = Box::new(RoleChange::new(role, next));
    source.update_store_record(StoreUpdate::Role(change)).await.unwrap();
    assert_eq!(live::status(moving.stores()).await.unwrap().phase, LivePhase::Fenced);
    let report = moving.switch().await.unwrap();
    assert!(report.switched && report.epoch == 1);
    // Decided, and not promoted: the same call promotes.
    let report = moving.switch().await.unwrap();
    assert!(report.switched && report.epoch == 1);
}

/// How far the copy is, at which rate, and how far the target is behind.
#[tokio::test]
async fn the_status_says_how_far_it_is() {
    let moving = Move::new("memory", "memory").await;
    let (mover, stop) = moving.begin_at(Some(100));
    let copy = loop {
        let status = live::status(moving.stores()).await;
        if let Some(copy) = status.ok().and_then(|status| status.copy)
            && copy.records > 0
        {
            break copy;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(copy.total, 299);
    assert!(copy.records < 300 && copy.per_second > 10.0 && copy.per_second < 1_000.0, "{copy:?}");
    assert!(copy.left_seconds.is_some_and(|left| left < 10.0), "{copy:?}");
    moving.until(LivePhase::Ready).await;
    drop(stop);
    mover.await.unwrap().unwrap();
    let store = moving.routed().await;
    for n in 0..5 {
        store.save(key("late"), document("late", n)).await.unwrap();
    }
    let status = live::status(moving.stores()).await.unwrap();
    assert_eq!((status.lag.behind, status.copy), (5, None));
    assert!(status.lag.behind_seconds.is_some_and(|seconds| seconds < 60.0), "{:?}", status.lag);
    assert_eq!(status.lag.caught_up_per_second, None);
}
