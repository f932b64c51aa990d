//! Capabilities, locations, health: what a store says about itself.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{ErrorKind, Plan, Query};

use super::support::{assert_kind, collection, filter, key, save};
use crate::Fixture;

/// A change feed is offered or `Unsupported`, as the capabilities say.
pub async fn what_is_not_offered_is_unsupported(f: Fixture) {
    let store = f.prepared().await;
    if !store.capabilities().changes {
        assert_kind(store.changes(None, NonZeroUsize::MIN).await, ErrorKind::Unsupported);
        assert_kind(store.head().await, ErrorKind::Unsupported);
    }
}

/// Where indexed queries avoid reading the whole collection, the plan of a
/// query on an indexed field says so, and that of another one does not.
pub async fn an_index_is_used_where_there_is_one(f: Fixture) {
    let store = f.prepared().await;
    for n in 0..5 {
        save(&store, &key("things", &n.to_string()), &format!("\"status\":\"s{n}\"")).await;
    }
    let name = collection("things");
    for (text, indexed) in [
        (r#"{"status":"s1"}"#, true),
        (r#"{"status":{"$in":["s1","s2"]}}"#, true),
        (r#"{"meta.kind":"x"}"#, true),
        (r#"{"owner":"o","rank":1}"#, true),
        (r#"{"free":"x"}"#, false),
    ] {
        // A strong read may be a scan: not every store's indexes can be read so.
        let query = Query::new(filter(text));
        let plan = store.query(&name, &query).await.unwrap().plan;
        let by_index = matches!(plan, Plan::Index { .. });
        assert_eq!(by_index, indexed && store.capabilities().indexes, "{text}: {plan:?}");
    }
}

/// Limits are numbers that can be worked with.
pub async fn limits_leave_room_to_work(f: Fixture) {
    let store = f.prepared().await;
    let capabilities = *store.capabilities();
    assert!(capabilities.max_entity_bytes >= 1);
    assert!(capabilities.max_scan_segments >= 1);
    assert!(capabilities.max_commit_keys.is_none_or(|keys| keys >= 2));
    assert!(
        capabilities.max_commit_bytes.is_none_or(|bytes| bytes >= capabilities.max_entity_bytes)
    );
    assert!(!capabilities.read_only);
}

/// Two handles on one store give the same location, and two stores never do.
pub async fn a_location_names_the_store(f: Fixture) {
    let store = f.prepared().await;
    let location = store.location().to_owned();
    assert!(location.contains(':'), "{location} does not name the strategy");
    assert_eq!(f.second(&store).await.location(), location);
    assert_eq!(f.reopen(store).await.location(), location);
}

/// A fresh store is healthy, and so is a used one; looking changes nothing.
pub async fn a_store_in_order_is_healthy(f: Fixture) {
    let mut store = f.prepared().await;
    for round in 0..3_usize {
        let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
        assert!(health.is_ok(), "{health:?}");
        assert!(!health.checks.is_empty());
        let found = super::support::everything(&store).await;
        assert_eq!(found.len(), round);
        save(&store, &key("items", &round.to_string()), "").await;
        store = f.reopen(store).await;
    }
}

/// A deep look reads each record, live or not, and reports how far it is.
pub async fn a_deep_look_reads_every_record(f: Fixture) {
    let store = f.prepared().await;
    for id in 0..30_usize {
        save(&store, &key("items", &id.to_string()), "").await;
    }
    store.delete(key("items", "7")).await.unwrap();
    let reported = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&reported);
    let progress = move |name: &repo_core::CollectionName, records| {
        assert!(name.as_str() == "items" || records == 0, "{name} holds nothing");
        counter.fetch_add(records, Ordering::Relaxed);
    };
    let deep = repo_core::HealthDepth::Deep(Arc::new(progress));
    let health = store.health(&deep).await.unwrap();
    assert!(health.is_ok(), "{health:?}");
    assert_eq!(reported.load(Ordering::Relaxed), 30);
}

/// An error of a call holds what is needed to act on it: the operation and,
/// where a key is meant, the key.
pub async fn errors_name_what_they_are_about(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "the one");
    save(&store, &key, "").await;
    let create = super::support::put_if(&key, "", repo_core::Precondition::Absent);
    let error = assert_kind(store.commit(vec![create]).await, ErrorKind::AlreadyExists);
    assert!(!error.operation().is_empty());
    assert!(error.to_string().contains("the one"), "{error}");
}
