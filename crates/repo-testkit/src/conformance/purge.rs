//! `purge`: old tombstones go, the floor rises first.

use std::time::Duration;

use repo_core::strategy::{JobKind, Purged, StorageStrategyExt as _};
use repo_core::{Clock as _, ErrorKind, Timestamp};

use super::support::{
    assert_kind, collection, delete, everything, job, job_id, key, live, record, records, save,
    set_job, tombstone,
};
use crate::{Fixture, Store};

async fn purge(store: &Store, name: &str, micros: i64) -> Purged {
    store.purge(&collection(name), Timestamp::from_micros(micros).unwrap()).await.unwrap()
}

async fn floor(store: &Store, name: &str) -> u64 {
    store.store_record().await.unwrap().collections[&collection(name)].floor
}

/// Only tombstones from before the moment go; one of the moment itself stays,
/// and live entities of any age do.
pub async fn only_old_tombstones_go(f: Fixture) {
    let store = f.prepared().await;
    let brought = [
        tombstone(&key("items", "old"), 3, 99),
        tombstone(&key("items", "at the moment"), 8, 100),
        tombstone(&key("items", "young"), 9, 101),
        live(&key("items", "live"), 7, "", 1),
        tombstone(&key("notes", "old"), 50, 1),
    ];
    store.apply(brought.to_vec()).await.unwrap();
    assert_eq!(purge(&store, "items", 100).await, Purged::new(1, 3));
    let left: Vec<String> =
        records(&store, "items").await.iter().map(|record| record.id().to_string()).collect();
    assert_eq!(left, ["at the moment", "live", "young"]);
    assert_eq!(record(&store, &key("items", "old")).await, None);
    assert_eq!(records(&store, "notes").await.len(), 1, "another collection is left alone");
    assert_eq!((floor(&store, "items").await, floor(&store, "notes").await), (3, 0));
}

/// The floor is the highest version removed; a later purge never lowers it.
pub async fn the_floor_only_rises(f: Fixture) {
    let store = f.prepared().await;
    for (id, number, micros) in [("a", 5, 10), ("b", 2, 20), ("c", 9, 30)] {
        store.apply(vec![tombstone(&key("items", id), number, micros)]).await.unwrap();
    }
    assert_eq!(purge(&store, "items", 15).await, Purged::new(1, 5));
    assert_eq!(purge(&store, "items", 25).await, Purged::new(1, 5));
    assert_eq!(purge(&store, "items", 25).await, Purged::new(0, 5));
    let store = f.reopen(store).await;
    assert_eq!(floor(&store, "items").await, 5);
    assert_eq!(purge(&store, "items", 35).await, Purged::new(1, 9));
    assert_eq!(purge(&store, "items", 1_000).await, Purged::new(0, 9));
    assert_eq!(records(&store, "items").await, []);
    assert_eq!(save(&store, &key("items", "b"), "").await, 10);
}

/// Deleting, purging and creating again: the version goes up all the way.
pub async fn a_purged_id_goes_on_above_its_last_version(f: Fixture) {
    let mut store = f.prepared().await;
    let key = key("things", "a");
    let mut last = 0;
    for round in 0..4 {
        let created = save(&store, &key, "\"status\":\"on\"").await;
        let deleted = delete(&store, &key).await;
        assert!(created > last && deleted > created, "round {round}: {last} {created} {deleted}");
        last = deleted;
        f.clock.advance(Duration::from_micros(1));
        let purged = store.purge(&key.collection, f.clock.now()).await.unwrap();
        assert_eq!(purged, Purged::new(1, deleted));
        assert_eq!(store.get(&key.collection, &key.id).await.unwrap(), None);
        store = f.reopen(store).await;
    }
}

/// While a migration is unfinished a purge is `Locked` and removes nothing.
pub async fn an_unfinished_migration_refuses_a_purge(f: Fixture) {
    let store = f.prepared().await;
    store.apply(vec![tombstone(&key("items", "a"), 4, 1)]).await.unwrap();
    set_job(&store, None, Some(job(JobKind::Migration, "p", "{}"))).await.unwrap();
    let before = everything(&store).await;
    let later = Timestamp::from_micros(1_000).unwrap();
    let store = f.reopen(store).await;
    assert_kind(store.purge(&collection("items"), later).await, ErrorKind::Locked);
    assert_kind(store.purge(&collection("notes"), later).await, ErrorKind::Locked);
    assert_eq!((everything(&store).await, floor(&store, "items").await), (before, 0));
    set_job(&store, Some(job_id(JobKind::Migration, "p")), None).await.unwrap();
    assert_eq!(purge(&store, "items", 1_000).await, Purged::new(1, 4));
}

/// A clean-up of the store is no migration into it: it purges what it deleted.
pub async fn an_unfinished_clean_up_lets_a_purge_be(f: Fixture) {
    let store = f.prepared().await;
    store.apply(vec![tombstone(&key("items", "a"), 4, 1)]).await.unwrap();
    let clean_up = job(JobKind::CleanUp, "elsewhere", "{}");
    set_job(&store, None, Some(clean_up.clone())).await.unwrap();
    let store = f.reopen(store).await;
    assert_eq!(purge(&store, "items", 1_000).await, Purged::new(1, 4));
    assert_eq!(store.store_record().await.unwrap().job, Some(clean_up));
}

/// Many tombstones go at once.
pub async fn many_tombstones_are_purged(f: Fixture) {
    let store = f.prepared().await;
    let brought = (1..=1_500).map(|n| {
        let key = key("items", &format!("{n}"));
        if n % 3 == 0 { live(&key, n, "", 1) } else { tombstone(&key, n, 1) }
    });
    store.apply(brought.collect()).await.unwrap();
    assert_eq!(purge(&store, "items", 2).await, Purged::new(1_000, 1_499));
    assert_eq!(records(&store, "items").await.len(), 500);
}
