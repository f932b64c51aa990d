//! What is kept, and what makes it forgotten.

use repo_core::strategy::{
    CaptureHolder, LiveId, Record, RoleChange, ScanOptions, StorageStrategyExt as _, StoreUpdate,
};
use repo_core::{
    CollectionName, CollectionSchema, Consistency, ErrorKind, Filter, Query, Timestamp,
};
use repo_layers::{Inner, Layer as _, OperationKind};

use super::support::{cache, holding, record, version};
use crate::faults::{Fault, document, faulty, hosts, key, save};

#[tokio::test]
async fn what_is_there_and_what_is_not_is_read_once() {
    let (store, holding, other) = holding(cache()).await;
    save(&other, "live").await.unwrap();
    save(&other, "gone").await.unwrap();
    other.delete(key("gone")).await.unwrap();
    let ids = ["live", "gone", "none"].map(|id| key(id).id);
    let first = store.get_many(&hosts(), &ids).await.unwrap();
    let seen: Vec<_> = first.iter().map(|found| found.as_ref().map(Record::is_live)).collect();
    assert_eq!(seen, [Some(true), Some(false), None]);
    for _ in 0..3 {
        assert_eq!(store.get_many(&hosts(), &ids).await.unwrap(), first);
    }
    assert_eq!(holding.reads(), 1);
}

#[tokio::test]
async fn the_store_is_asked_once_for_what_is_missing() {
    let (store, holding, other) = holding(cache()).await;
    for id in ["a", "b"] {
        save(&other, id).await.unwrap();
    }
    version(&store, "a").await;
    let ids = ["c", "b", "a", "b", "c"].map(|id| key(id).id);
    let found = store.get_many(&hosts(), &ids).await.unwrap();
    let found: Vec<_> =
        found.iter().map(|found| found.as_ref().map(|record| record.id().as_str())).collect();
    assert_eq!(found, [None, Some("b"), Some("a"), Some("b"), None]);
    assert_eq!(holding.asked(), [vec!["a"], vec!["c", "b"]]);
}

#[tokio::test]
async fn no_ids_and_unknown_collections_are_for_the_store() {
    let (store, ..) = holding(cache()).await;
    let strange = CollectionName::new("strange").unwrap();
    for ids in [vec![], vec![key("h").id]] {
        let error = store.get_many(&strange, &ids).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(store.get_many(&hosts(), &[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_write_is_kept_if_that_is_asked_for() {
    for (cache, reads) in [(cache(), 2), (cache().keep_written(), 0)] {
        let (store, holding, other) = holding(cache).await;
        let written = save(&store, "h").await.unwrap();
        let read = record(&store, "h").await.and_then(Record::into_live);
        assert_eq!(read, Some(written));
        store.delete(key("h")).await.unwrap();
        let deleted = record(&store, "h").await;
        assert!(deleted.as_ref().is_some_and(|deleted| !deleted.is_live()));
        assert_eq!(deleted, record(&other, "h").await, "with the times of the store");
        assert_eq!(holding.reads(), reads);
    }
}

/// Reads a host, has another handle write it, which is not seen, does `work`, and says
/// which version is read then.
async fn read_after(work: impl AsyncFnOnce(&Inner)) -> Option<u64> {
    let (store, _, other) = holding(cache().keep_written()).await;
    save(&other, "h").await.unwrap();
    assert_eq!(version(&store, "h").await, Some(1));
    save(&other, "h").await.unwrap();
    assert_eq!(version(&store, "h").await, Some(1));
    work(&store).await;
    version(&store, "h").await
}

#[tokio::test]
async fn what_may_change_any_record_empties_the_cache() {
    let schemas = || [CollectionSchema::undeclared(hosts())];
    let role = async |store: &Inner| {
        let expected = store.store_record().await.unwrap().role;
        let mut next = expected.clone();
        next.live = Some(LiveId::from_bytes([7; LiveId::BYTES]));
        let change = StoreUpdate::Role(Box::new(RoleChange::new(expected, next)));
        store.update_store_record(change).await.unwrap();
    };
    let purge = async |store: &Inner| {
        store.purge(&hosts(), Timestamp::from_micros(0).unwrap()).await.unwrap();
    };
    assert_eq!(read_after(role).await, Some(2));
    assert_eq!(read_after(purge).await, Some(2));
    let prepare = async |store: &Inner| drop(store.prepare(&schemas()).await.unwrap());
    assert_eq!(read_after(prepare).await, Some(2));
    let load = async |store: &Inner| drop(store.prepare_for_load(&schemas()).await.unwrap());
    assert_eq!(read_after(load).await, Some(2));
    let upgrade = async |store: &Inner| {
        store.upgrade_layout().await.unwrap();
    };
    assert_eq!(read_after(upgrade).await, Some(2));
}

#[tokio::test]
async fn what_names_the_records_that_it_changes_forgets_those() {
    let apply = async |store: &Inner| {
        let older = record(store, "h").await.unwrap();
        store.apply(vec![older]).await.unwrap();
    };
    assert_eq!(read_after(apply).await, Some(2));
    let scrub = async |store: &Inner| {
        let refused = store.scrub(&hosts(), &[key("h").id]).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "it is live");
    };
    assert_eq!(read_after(scrub).await, Some(2));
    let other_key = async |store: &Inner| drop(save(store, "i").await.unwrap());
    assert_eq!(read_after(other_key).await, Some(1));
}

#[tokio::test]
async fn what_changes_no_record_forgets_nothing() {
    let work = async |store: &Inner| {
        store.checkpoint().await.unwrap();
        let holder = CaptureHolder::new("consumer", "a").unwrap();
        store.update_store_record(StoreUpdate::HoldCapture(holder)).await.unwrap();
        let head = store.head().await.unwrap();
        store.trim_changes(&head).await.unwrap();
        store.store_record().await.unwrap();
    };
    assert_eq!(read_after(work).await, Some(1));
}

/// They do not go through the cache, and do not fill it either.
#[tokio::test]
async fn queries_counts_and_scans_are_those_of_the_store() {
    let work = async |store: &Inner| {
        let page = store.query(&hosts(), &Query::all()).await.unwrap();
        assert_eq!(page.entities[0].version.get(), 2);
        let all = Filter::default();
        assert_eq!(store.count(&hosts(), &all, Consistency::Strong).await.unwrap(), 1);
        drop(store.scan(&hosts(), ScanOptions::default()).await.unwrap());
    };
    assert_eq!(read_after(work).await, Some(1));
}

#[tokio::test]
async fn what_is_erased_is_in_no_memory() {
    let cache = cache().keep_written();
    let (store, ..) = holding(cache.clone()).await;
    for id in ["h", "i"] {
        save(&store, id).await.unwrap();
    }
    store.delete(key("h")).await.unwrap();
    store.scrub(&hosts(), &[key("h").id]).await.unwrap();
    assert_eq!(cache.stats().entries, 1, "the other one");
}

/// A read that fails is kept by nobody.
#[tokio::test]
async fn an_error_is_not_kept() {
    let (store, faults) = faulty().await;
    save(&store, "h").await.unwrap();
    let store = cache().around(store);
    faults.plan(OperationKind::GetMany, &[Fault::Refused(ErrorKind::Unavailable)]);
    let failed = store.get(&hosts(), &key("h").id).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unavailable);
    assert_eq!(version(&store, "h").await, Some(1));
}

/// A commit that was refused before it was looked at changes nothing, and one of unknown
/// outcome is read back from the store.
#[tokio::test]
async fn after_an_unknown_outcome_the_store_is_asked() {
    let (store, faults) = faulty().await;
    let store = cache().keep_written().around(store);
    save(&store, "h").await.unwrap();
    faults.plan(OperationKind::Commit, &[Fault::AnswerLost(ErrorKind::OutcomeUnknown)]);
    let lost = store.save(key("h"), document("h")).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::OutcomeUnknown);
    let before = faults.calls(OperationKind::GetMany);
    assert_eq!(version(&store, "h").await, Some(2));
    assert_eq!(faults.calls(OperationKind::GetMany), before + 1);
}
