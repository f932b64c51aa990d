//! Versions count up by one with every write of a key, and never down.

use std::collections::BTreeMap;
use std::time::Duration;

use repo_core::strategy::{StorageStrategyExt as _, StoreUpdate};
use repo_core::{Clock as _, ErrorKind, Key, Precondition, Version, Write};

use super::support::{
    Sequence, assert_kind, collection, delete, document, entity, everything, key, live, put,
    put_if, record, save, version,
};
use crate::{Fixture, Store};

/// The first version is 1, and each write makes it one higher.
pub async fn the_first_version_is_one_and_each_write_adds_one(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        let key = key(name, "a");
        for expected in 1..=5 {
            assert_eq!(save(&store, &key, &format!("\"n\":{expected}")).await, expected);
            assert_eq!(entity(&store, &key).await.version.get(), expected);
        }
    }
}

/// A delete is a write; what is created again continues counting.
pub async fn a_version_survives_delete_and_create(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    assert_eq!(save(&store, &key, "").await, 1);
    assert_eq!(delete(&store, &key).await, 2);
    assert_eq!(
        record(&store, &key).await.map(|r| (r.version().get(), r.is_live())),
        Some((2, false))
    );
    let created = store.create(key.clone(), document(&key, "")).await.unwrap();
    assert_eq!(created.version.get(), 3);
    assert_eq!(delete(&store, &key).await, 4);
    let store = f.reopen(store).await;
    assert_eq!(save(&store, &key, "").await, 5);
}

/// Each key counts for itself.
pub async fn keys_count_for_themselves(f: Fixture) {
    let store = f.prepared().await;
    for _ in 0..3 {
        save(&store, &key("items", "a"), "").await;
    }
    assert_eq!(save(&store, &key("items", "b"), "").await, 1);
    assert_eq!(save(&store, &key("notes", "a"), "").await, 1);
    assert_eq!(save(&store, &key("items", "a"), "").await, 4);
}

/// What is refused, only checked, or deletes nothing raises no version.
pub async fn what_writes_nothing_raises_no_version(f: Fixture) {
    let store = f.prepared().await;
    let (there, gone) = (key("items", "there"), key("items", "gone"));
    save(&store, &there, "").await;
    save(&store, &gone, "").await;
    delete(&store, &gone).await;
    let before = everything(&store).await;
    store.commit(vec![Write::check(there.clone(), Precondition::Exists)]).await.unwrap();
    store.commit(vec![Write::check(gone.clone(), Precondition::Absent)]).await.unwrap();
    store.commit(vec![Write::delete(gone.clone(), Precondition::Any)]).await.unwrap();
    store.commit(vec![Write::delete(gone.clone(), Precondition::Absent)]).await.unwrap();
    store.commit(vec![Write::delete(key("items", "never"), Precondition::Any)]).await.unwrap();
    assert_kind(
        store.commit(vec![put_if(&there, "", Precondition::Absent)]).await,
        ErrorKind::AlreadyExists,
    );
    assert_eq!(everything(&store).await, before);
    assert_eq!(save(&store, &there, "").await, 2);
    assert_eq!(save(&store, &gone, "").await, 3);
    assert_eq!(save(&store, &key("items", "never"), "").await, 1);
}

/// After a purge an id without a record starts one above the floor; ids that
/// have a record continue from it, and other collections start at 1.
pub async fn new_ids_start_above_the_floor(f: Fixture) {
    let store = f.prepared().await;
    let (low, high) = (key("items", "low"), key("items", "high"));
    save(&store, &low, "").await;
    for _ in 0..6 {
        save(&store, &high, "").await;
    }
    assert_eq!(delete(&store, &high).await, 7);
    let later = f.clock.now().saturating_add(Duration::from_secs(1));
    let purged = store.purge(&collection("items"), later).await.unwrap();
    assert_eq!((purged.removed, purged.floor), (1, 7));
    assert_eq!(save(&store, &low, "").await, 2, "a record counts for itself");
    assert_eq!(save(&store, &key("items", "new"), "").await, 8);
    assert_eq!(save(&store, &high, "").await, 8, "never below what it had");
    assert_eq!(save(&store, &key("notes", "new"), "").await, 1);
    let created = put_if(&key("items", "newer"), "", Precondition::Absent);
    let written = store.commit(vec![created]).await.unwrap();
    assert_eq!(written[0].version(), Some(version(8)));
}

/// The highest version there is cannot be written over.
pub async fn the_last_version_is_the_end(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    store.apply(vec![live(&key, Version::MAX - 1, "", 1)]).await.unwrap();
    assert_eq!(save(&store, &key, "\"n\":1").await, Version::MAX);
    let before = everything(&store).await;
    for write in [put(&key, "\"n\":2"), Write::delete(key.clone(), Precondition::Any)] {
        assert_kind(store.commit(vec![write]).await, ErrorKind::LimitExceeded);
    }
    assert_eq!(everything(&store).await, before);
    let update =
        StoreUpdate::RaiseFloor { collection: collection("notes"), floor: Version::MAX - 1 };
    store.update_store_record(update).await.unwrap();
    let fresh = super::support::key("notes", "fresh");
    assert_eq!(save(&store, &fresh, "").await, Version::MAX);
}

/// One random step on one key.
async fn step(store: &Store, f: &Fixture, random: &mut Sequence, key: &Key) {
    f.clock.advance(Duration::from_secs(1));
    match random.below(8) {
        0..=2 => drop(save(store, key, "").await),
        3 | 4 => drop(store.delete(key.clone()).await.unwrap()),
        5 => {
            let number = 1 + random.below(12);
            store.apply(vec![live(key, number, "\"applied\":true", 7)]).await.unwrap();
        }
        6 => {
            let age = Duration::from_secs(random.below(6));
            let older_than = f.clock.now().saturating_sub(age);
            store.purge(&key.collection, older_than).await.unwrap();
        }
        _ => drop(store.create(key.clone(), document(key, "")).await),
    }
}

/// Whatever happens, the version of an id never falls: over delete, purge,
/// re-create and `apply`, as a reader sees it after each step.
pub async fn a_version_never_falls(f: Fixture) {
    let store = f.prepared().await;
    let keys = ["a", "b", "c", "d"].map(|text| key("items", text));
    for seed in 0..3 {
        let mut random = Sequence(seed);
        let mut seen: BTreeMap<&Key, u64> = BTreeMap::new();
        for at in 0..60 {
            let key = &keys[usize::try_from(random.below(4)).unwrap()];
            step(&store, &f, &mut random, key).await;
            let Some(found) = record(&store, key).await else { continue };
            let number = found.version().get();
            let highest = seen.entry(key).or_default();
            assert!(
                number >= *highest,
                "step {at} of {seed}: {key} fell from {highest} to {number}"
            );
            *highest = number;
        }
    }
}
