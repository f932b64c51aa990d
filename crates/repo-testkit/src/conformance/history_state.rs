//! Of which collections history is kept, from when on, and what that changes.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use repo_core::strategy::{HistoryState, Retention, StoreUpdate, VersionWrite};
use repo_core::{Clock as _, ErrorKind};

use super::history_support::{
    at, change_history, keep, keeping, numbers, offered, older, replaced, was_live,
};
use super::support::{assert_kind, collection, delete, key, live, record, save, tombstone};
use crate::Fixture;

/// Without being asked a store keeps nothing, and says so.
pub async fn nothing_is_kept_unless_it_is_asked_for(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let a = key("items", "a");
    save(&store, &a, "").await;
    save(&store, &a, "").await;
    assert!(store.store_record().await.unwrap().history.is_empty());
    assert_kind(older(&store, &[("items", "a", 2)], 1).await, ErrorKind::NotFound);
    assert_kind(older(&store, &[("nowhere", "a", 2)], 1).await, ErrorKind::NotFound);
    let added = vec![VersionWrite::Add(was_live(&a, 1, "", 1))];
    assert_kind(store.write_versions(&collection("items"), added).await, ErrorKind::NotFound);
    let begin = Some(HistoryState::new(f.clock.now()));
    assert_kind(change_history(&store, "nowhere", begin).await, ErrorKind::NotFound);
    keep(&f, &store, "items").await;
    save(&store, &a, "").await;
    assert_eq!(numbers(&replaced(&store, &a).await), [2], "what was before is not known");
}

/// A collection has its own history, or none.
pub async fn each_collection_for_itself(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let record = keep(&f, &store, "things").await;
    let kept: Vec<&str> = record.history.keys().map(repo_core::CollectionName::as_str).collect();
    assert_eq!(kept, ["items", "things"]);
    for name in ["items", "notes", "things"] {
        save(&store, &key(name, "a"), "").await;
        save(&store, &key(name, "a"), "").await;
    }
    change_history(&store, "items", None).await.unwrap();
    assert_kind(older(&store, &[("items", "a", 2)], 1).await, ErrorKind::NotFound);
    assert_kind(older(&store, &[("notes", "a", 2)], 1).await, ErrorKind::NotFound);
    assert_eq!(numbers(&replaced(&store, &key("things", "a")).await), [1]);
}

/// A history that ends is removed: one that begins later knows nothing of it.
pub async fn history_that_ends_is_gone(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let a = key("items", "a");
    for _ in 0..3 {
        save(&store, &a, "").await;
        store.checkpoint().await.unwrap();
    }
    for _ in 0..2 {
        let off = change_history(&store, "items", None).await.unwrap();
        assert!(off.history.is_empty());
    }
    save(&store, &a, "").await;
    keep(&f, &store, "items").await;
    assert_eq!(replaced(&store, &a).await, []);
    save(&store, &a, "").await;
    let store = f.reopen(store).await;
    assert_eq!(numbers(&replaced(&store, &a).await), [4]);
}

/// Since when a history is kept never falls; its retention is the one given last.
pub async fn its_beginning_never_falls(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let retention = Retention { max_age_seconds: Some(60), max_versions: NonZeroU32::new(5) };
    let begin = HistoryState::new(at(2_000)).with_retention(retention);
    for (given, since) in [(begin, 2_000), (HistoryState::new(at(1_000)), 2_000), (begin, 2_000)] {
        let record = change_history(&store, "items", Some(given)).await.unwrap();
        let kept = record.history[&collection("items")];
        assert_eq!((kept.since, kept.retention), (at(since), given.retention));
    }
    change_history(&store, "items", Some(HistoryState::new(at(3_000)))).await.unwrap();
    store.checkpoint().await.unwrap();
    let store = f.reopen(store).await;
    let kept = store.store_record().await.unwrap().history;
    assert_eq!(kept[&collection("items")], HistoryState::new(at(3_000)));
}

/// What two callers change at once is changed by one of them; the other learns of it.
pub async fn the_state_of_a_history_is_compared_and_set(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let items = collection("items");
    let begun = HistoryState::new(f.clock.now());
    let other = HistoryState::new(at(1));
    for (expected, history) in [(None, None), (None, Some(other)), (Some(other), None)] {
        let update = StoreUpdate::History { collection: items.clone(), expected, history };
        assert_kind(store.update_store_record(update).await, ErrorKind::Locked);
        assert_eq!(store.store_record().await.unwrap().history[&items], begun);
    }
    let a = key("items", "a");
    save(&store, &a, "").await;
    save(&store, &a, "").await;
    assert_eq!(numbers(&replaced(&store, &a).await), [1], "nothing was removed");
    change_history(&store, "items", None).await.unwrap();
    let again =
        StoreUpdate::History { collection: items, expected: Some(begun), history: Some(begun) };
    assert_kind(store.update_store_record(again).await, ErrorKind::Locked);
    assert!(store.store_record().await.unwrap().history.is_empty());
}

/// Tombstones that a history needs stay; those from before it go.
pub async fn tombstones_of_a_history_are_not_purged(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    store.apply(vec![tombstone(&key("items", "before"), 3, 5)]).await.unwrap();
    keep(&f, &store, "items").await;
    let a = key("items", "a");
    save(&store, &a, "").await;
    delete(&store, &a).await;
    f.clock.advance(Duration::from_secs(3_600));
    let purged = store.purge(&collection("items"), f.clock.now()).await.unwrap();
    assert_eq!((purged.removed, purged.floor), (1, 3));
    assert_eq!(numbers(&replaced(&store, &a).await), [1]);
    assert_eq!(record(&store, &key("items", "before")).await, None);
    change_history(&store, "items", None).await.unwrap();
    let purged = store.purge(&collection("items"), f.clock.now()).await.unwrap();
    assert_eq!((purged.removed, purged.floor), (1, 3));
}

/// A history that begins while others write is whole from then on.
pub async fn it_may_begin_while_others_write(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, stop) = (store.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let key = key("items", &format!("w{}", writer % 2));
                while !stop.load(Ordering::Relaxed) {
                    save(&store, &key, "").await;
                }
            })
        })
        .collect();
    let keys = ["w0", "w1"].map(|id| key("items", id));
    let version = async |key| record(&store, key).await.map_or(0, |r| r.version().get());
    for key in &keys {
        while version(key).await < 5 {
            tokio::task::yield_now().await;
        }
    }
    keep(&f, &store, "items").await;
    let mut at_begin = Vec::new();
    for key in &keys {
        at_begin.push(version(key).await);
    }
    for (key, at_begin) in keys.iter().zip(&at_begin) {
        while version(key).await < at_begin + 5 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    for (key, at_begin) in keys.iter().zip(at_begin) {
        let last = version(key).await;
        let kept = numbers(&replaced(&store, key).await);
        let oldest = *kept.last().unwrap();
        assert!(oldest <= at_begin, "{oldest} > {at_begin}");
        assert_eq!(kept, (oldest..last).rev().collect::<Vec<u64>>());
    }
}

/// A handle that only reads reads histories, and changes none. A closed one answers
/// nothing.
pub async fn a_handle_for_reading_only_changes_no_history(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let a = key("items", "a");
    save(&store, &a, "").await;
    store.apply(vec![live(&a, 4, "", 3)]).await.unwrap();
    let writes = vec![VersionWrite::Remove(a.id.clone(), super::support::version(1))];
    let reader = f.open_with(f.options().with_read_only(true)).await.unwrap();
    assert_eq!(numbers(&replaced(&reader, &a).await), [1]);
    let refused = reader.write_versions(&a.collection, writes.clone()).await;
    assert_kind(refused, ErrorKind::Unsupported);
    reader.close().await.unwrap();
    assert_eq!(numbers(&replaced(&store, &a).await), [1]);
    store.close().await.unwrap();
    assert_kind(older(&store, &[("items", "a", 2)], 1).await, ErrorKind::Closed);
    assert_kind(store.write_versions(&a.collection, writes).await, ErrorKind::Closed);
}
