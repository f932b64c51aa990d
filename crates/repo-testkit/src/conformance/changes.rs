//! The change feed: what is written is in it, in order, and nothing else.

use repo_core::strategy::StoreUpdate;
use repo_core::{Clock as _, CollectionSchema, ErrorKind, Precondition, Write};

use super::feed_support::{
    all_after, assert_seen, capturing, hold, holder, most, offered, read, seen,
};
use super::support::{
    assert_kind, collection, delete, key, live, put, put_if, record, save, tombstone, version,
};
use crate::Fixture;

/// Nothing is captured until somebody asks for it, and there is no feed to read.
pub async fn nothing_is_captured_unless_it_is_asked_for(f: Fixture) {
    let store = f.prepared().await;
    if !store.capabilities().changes {
        return;
    }
    save(&store, &key("items", "before"), "").await;
    assert!(store.store_record().await.unwrap().capture.is_unused());
    assert_kind(store.changes(None, most(1)).await, ErrorKind::NotFound);
    assert_kind(store.head().await, ErrorKind::NotFound);
    let capture = hold(&store, "a").await.capture;
    assert_eq!((capture.generation, capture.is_on()), (1, true));
    assert_eq!(hold(&store, "a").await.capture, capture);
    assert_eq!(store.store_record().await.unwrap().capture, capture);
    assert!(read(&store, None, 10).await.changes.is_empty());
}

/// A store that was never prepared captures nothing.
pub async fn an_unprepared_store_captures_nothing(f: Fixture) {
    let store = f.open().await;
    if !store.capabilities().changes {
        return;
    }
    let hold = StoreUpdate::HoldCapture(holder("a"));
    assert_kind(store.update_store_record(hold).await, ErrorKind::NotFound);
    assert_kind(store.changes(None, most(1)).await, ErrorKind::NotFound);
    assert_kind(store.head().await, ErrorKind::NotFound);
}

/// Each write is one change, with the record that it left.
pub async fn every_write_is_a_change(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    let [a, b, c] = ["a", "b", "c"].map(|id| key("items", id));
    let thing = key("things", "t");
    save(&store, &a, "\"n\":1").await;
    store.commit(vec![put(&b, "\"n\":2"), put(&thing, "\"status\":\"x\"")]).await.unwrap();
    delete(&store, &b).await;
    store
        .apply(vec![live(&c, 7, "\"n\":3", 5), tombstone(&key("items", "d"), 4, 6)])
        .await
        .unwrap();
    let (changes, end) = all_after(&store, Some(&begin), 100).await;
    assert_seen(
        &changes,
        &[
            ("a", 1, false),
            ("b", 1, false),
            ("t", 1, false),
            ("b", 2, true),
            ("c", 7, false),
            ("d", 4, true),
        ],
    );
    for change in &changes {
        assert_eq!(change.record, record(&store, &change.key).await, "{:?}", change.key);
        let stored = change.record.as_ref().unwrap().version();
        assert_eq!(change.exact, stored == change.version);
        assert_eq!(
            change.exact,
            seen(std::slice::from_ref(change)) != [("b".to_owned(), 1, false)]
        );
    }
    assert_eq!(end, store.head().await.unwrap());
    assert!(end.reaches(&begin) && !begin.reaches(&end));
}

/// What changes nothing is no change: failed commits, checks, deletes of what is not
/// there, applied records that are not higher. So is what a purge removes.
pub async fn what_changes_nothing_is_no_change(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, _) = capturing(&f).await;
    let [a, b, absent] = ["a", "b", "absent"].map(|id| key("items", id));
    save(&store, &a, "").await;
    save(&store, &b, "").await;
    delete(&store, &b).await;
    let begin = store.head().await.unwrap();
    let clash = vec![put(&a, ""), put_if(&b, "", Precondition::Exists)];
    assert_kind(store.commit(clash).await, ErrorKind::NotFound);
    store
        .commit(vec![
            Write::check(a.clone(), Precondition::Exists),
            Write::check(absent.clone(), Precondition::Absent),
            Write::delete(b.clone(), Precondition::Any),
            Write::delete(key("notes", "absent"), Precondition::Any),
        ])
        .await
        .unwrap();
    store.commit(vec![Write::delete(absent.clone(), Precondition::Any)]).await.unwrap();
    store.commit(vec![Write::check(absent.clone(), Precondition::Absent)]).await.unwrap();
    let stored = record(&store, &a).await.unwrap();
    store.apply(vec![stored, live(&a, 1, "\"other\":1", 9)]).await.unwrap();
    f.clock.advance(std::time::Duration::from_secs(60));
    let purged = store.purge(&collection("items"), f.clock.now()).await.unwrap();
    assert_eq!(purged.removed, 1);
    store.checkpoint().await.unwrap();
    assert_eq!(seen(&all_after(&store, Some(&begin), 10).await.0), []);
}

/// A key that comes twice in one `apply` has two changes, in the order given.
pub async fn a_key_applied_twice_has_two_changes(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    let (a, b) = (key("items", "a"), key("items", "b"));
    let records = vec![live(&a, 1, "", 1), live(&b, 1, "", 1), live(&a, 2, "", 2)];
    store.apply(records).await.unwrap();
    let (changes, _) = all_after(&store, Some(&begin), 9).await;
    assert_seen(&changes, &[("a", 1, false), ("a", 2, false), ("b", 1, false)]);
}

/// A write beside a check of something that is absent is the only change of its
/// commit.
pub async fn a_write_beside_a_check_is_the_only_change(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    for round in 0..3 {
        let absent = key("items", &format!("absent-{round}"));
        let writes = vec![put(&key("items", "a"), ""), Write::check(absent, Precondition::Absent)];
        store.commit(writes).await.unwrap();
    }
    let expected = [("a", 1, false), ("a", 2, false), ("a", 3, false)];
    assert_seen(&all_after(&store, Some(&begin), 10).await.0, &expected);
}

/// Of a record that was written again before it is read, the earlier changes carry
/// what is stored, and say so.
pub async fn a_change_of_an_older_version_carries_the_newer_record(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    let a = key("items", "a");
    for n in 1..=3 {
        save(&store, &a, &format!("\"n\":{n}")).await;
    }
    let (changes, _) = all_after(&store, Some(&begin), 10).await;
    assert_seen(&changes, &[("a", 1, false), ("a", 2, false), ("a", 3, false)]);
    assert_eq!(changes.iter().map(|change| change.exact).collect::<Vec<_>>(), [false, false, true]);
    assert!(changes.iter().all(|change| change.record == changes[2].record));
    assert_eq!(changes[0].record.as_ref().unwrap().version(), version(3));
}

/// A deleted entity whose tombstone was purged is still a change, without a record.
pub async fn a_purged_delete_is_still_a_change(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    let a = key("items", "a");
    save(&store, &a, "").await;
    delete(&store, &a).await;
    f.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(store.purge(&collection("items"), f.clock.now()).await.unwrap().removed, 1);
    let (changes, middle) = all_after(&store, Some(&begin), 10).await;
    assert_seen(&changes, &[("a", 1, false), ("a", 2, true)]);
    assert!(changes.iter().all(|change| change.record.is_none() && !change.exact));
    save(&store, &a, "").await;
    let (changes, _) = all_after(&store, Some(&middle), 10).await;
    assert_seen(&changes, &[("a", 3, false)]);
    assert!(changes[0].exact);
}

/// Versions of a key begin anew where `apply` stores an older copy of what a purge
/// removed: the copy is the later change, though its version is not higher.
pub async fn a_key_that_begins_anew_is_the_later_change(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    let [a, b] = ["a", "b"].map(|id| key("items", id));
    store.apply(vec![tombstone(&a, 1, 1), tombstone(&b, 5, 1)]).await.unwrap();
    f.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(store.purge(&collection("items"), f.clock.now()).await.unwrap().removed, 2);
    store.apply(vec![live(&a, 1, "", 2), live(&b, 2, "", 2)]).await.unwrap();
    let (changes, _) = all_after(&store, Some(&begin), 10).await;
    assert_seen(&changes, &[("a", 1, true), ("a", 1, false), ("b", 5, true), ("b", 2, false)]);
}

/// A collection that is prepared while capture is on is captured, also while it is
/// loaded.
pub async fn a_new_collection_is_captured(f: Fixture) {
    let store = f.open().await;
    if !store.capabilities().changes {
        return;
    }
    store.prepare(&[CollectionSchema::undeclared(collection("items"))]).await.unwrap();
    hold(&store, "a").await;
    let begin = store.head().await.unwrap();
    let things = f.schemas.get(&collection("things"));
    store.prepare_for_load(std::slice::from_ref(&things)).await.unwrap();
    let records = (0..30).map(|n| live(&key("things", &format!("t{n:02}")), 2, "", 1)).collect();
    store.apply(records).await.unwrap();
    store.prepare(&[things]).await.unwrap();
    save(&store, &key("things", "later"), "").await;
    let (changes, _) = all_after(&store, Some(&begin), 7).await;
    assert_eq!(changes.len(), 31);
    assert!(changes.iter().all(|change| change.exact && !change.deleted));
}
