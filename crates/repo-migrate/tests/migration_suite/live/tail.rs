//! Writes that reach a store after it has given the authority up.

use repo_core::strategy::{Record, StorageStrategy, StorageStrategyExt as _};
use repo_core::{Document, ErrorKind, Timestamp, Version};
use repo_migrate::live::{self, LivePhase, LivePlace as _, SwitchOptions};

use super::support::{Move, all, document, items, key};

/// A write by something that asks nobody: with the rights of the live migration, which
/// nothing refuses.
async fn late_write(moving: &Move, id: &str, version: u64, n: u64) {
    let live = live::status(moving.stores()).await.unwrap().live;
    let store = moving.source.open(Some(live)).await.unwrap();
    let at = Timestamp::from_micros(1_700_000_000_000_000).unwrap();
    let entity = repo_core::Entity {
        collection: items(),
        id: key(id).id,
        version: Version::new(version).unwrap(),
        created_at: at,
        updated_at: at,
        document: document(id, n),
    };
    store.apply(vec![Record::Live(entity)]).await.unwrap();
}

async fn stored(store: &dyn StorageStrategy, id: &str) -> Option<(u64, Option<Document>)> {
    let record = all(store).await.remove(id)?;
    Some((record.version().get(), record.document().cloned()))
}

/// A move that has switched, with a record that both stores have in version 2.
async fn switched(source: &str, target: &str) -> Move {
    let moving = Move::new(source, target).await;
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    moving.switch().await.unwrap();
    let store = moving.routed().await;
    store.save(key("old-001"), document("old-001", 2)).await.unwrap();
    let source = moving.source.store().await;
    while stored(source.as_ref(), "old-001").await.unwrap().0 < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    drop(stop);
    mover.await.unwrap().unwrap();
    moving
}

/// The authority has the record in a higher version, and the late write is gone.
async fn check_outranked(moving: &Move, at_least: u64) {
    let (mover, stop) = moving.begin();
    let (source, target) = (moving.source.store().await, moving.target.store().await);
    for _ in 0..2_000 {
        let there = stored(target.as_ref(), "old-001").await.unwrap();
        if there.0 >= at_least && stored(source.as_ref(), "old-001").await.unwrap() == there {
            break;
        }
        assert!(!mover.is_finished(), "{:?}", mover.await);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let there = stored(target.as_ref(), "old-001").await.unwrap();
    assert_eq!(stored(source.as_ref(), "old-001").await.unwrap(), there);
    assert_eq!(there.1, Some(document("old-001", 2)));
    assert!(there.0 >= at_least, "{there:?}");
    assert!(live::status(moving.stores()).await.unwrap().late_writes > 0);
    live::back(moving.stores(), SwitchOptions::default()).await.unwrap();
    drop(stop);
    mover.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_late_write_of_a_later_version_is_outranked() {
    for (source, target) in [("memory", "memory"), ("json", "sqlite"), ("sqlite", "json")] {
        let moving = switched(source, target).await;
        late_write(&moving, "old-001", 4, 666).await;
        check_outranked(&moving, 5).await;
    }
}

/// Both stores have it in one version, with different contents, when it is carried over.
#[tokio::test]
async fn a_late_write_of_the_same_version_is_outranked() {
    for (source, target) in [("memory", "memory"), ("json", "sqlite"), ("sqlite", "json")] {
        let moving = switched(source, target).await;
        // Nobody carries it over before the late write has come.
        late_write(&moving, "old-001", 3, 666).await;
        let store = moving.routed().await;
        store.save(key("old-001"), document("old-001", 2)).await.unwrap();
        check_outranked(&moving, 4).await;
    }
}

/// What the authority does not have cannot be written again: the store does not come back
/// before the operator has decided.
#[tokio::test]
async fn a_late_write_of_a_new_record_stays_until_it_is_decided() {
    let moving = switched("memory", "memory").await;
    late_write(&moving, "new", 1, 666).await;
    let back = live::back(moving.stores(), SwitchOptions::default()).await.unwrap_err();
    assert_eq!(back.kind(), ErrorKind::Locked);
    assert_eq!(back.context_value("key"), Some("items/new"));
    let store = moving.routed().await;
    store.save(key("new"), document("new", 1)).await.unwrap();
    store.delete(key("new")).await.unwrap();
    live::back(moving.stores(), SwitchOptions::default()).await.unwrap();
    let store = moving.routed().await;
    assert_eq!(store.get(&items(), &key("new").id).await.unwrap(), None);
}
