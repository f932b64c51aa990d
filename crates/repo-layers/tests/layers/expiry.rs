//! The layer for a time to live: where it stands, and the races around its writes.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use repo_core::strategy::{OpenOptions, Record, StorageStrategy as _, StorageStrategyExt as _};
use repo_core::{
    Clock, CollectionSchema, Document, ErrorKind, FieldKind, Key, ManualClock, MemoryStrategy,
    Precondition, Result, Schemas, Timestamp, Write, Written,
};
use repo_layers::{
    ExpiryLayer, Inner, Layer, LayerConfig, NoSettings, ReferenceLayer, SweepOptions,
    stack_with_expiry, sweep,
};
use serde_json::{Value as Json, json};

const HOUR: Duration = Duration::from_secs(3_600);

fn schema() -> CollectionSchema {
    CollectionSchema::builder("sessions", "id")
        .field("until", FieldKind::Text, true)
        .ttl_field("until")
        .build()
        .unwrap()
}

fn schemas() -> Schemas {
    Schemas::from_iter([schema()])
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::parse("2026-03-01T08:00:00Z").unwrap()))
}

fn key(id: &str) -> Key {
    Key::new(schema().collection, id.parse().unwrap())
}

fn document(id: &str, hour: u8) -> Document {
    let text = format!(r#"{{"id": "{id}", "until": "2026-03-01T{hour:02}:00:00Z"}}"#);
    Document::parse(&text).unwrap()
}

/// A prepared store in memory by this clock.
async fn memory(clock: &Arc<ManualClock>) -> Inner {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let store = MemoryStrategy::new(OpenOptions::default().with_clock(clock));
    store.prepare(&[schema()]).await.unwrap();
    Arc::new(store)
}

fn layered(store: Inner, layers: Json, clock: &Arc<ManualClock>) -> Result<Inner> {
    let layers: Vec<LayerConfig> = serde_json::from_value(layers).unwrap();
    stack_with_expiry(store, &layers, &schemas(), Arc::clone(clock) as Arc<dyn Clock>)
}

/// The version of a live session.
async fn version(store: &Inner, id: &str) -> Option<u64> {
    let found = store.get(&key(id).collection, &key(id).id).await.unwrap();
    found.map(|entity| entity.version.get())
}

/// What is stored under an id.
async fn stored(store: &Inner, id: &str) -> Option<(u64, bool)> {
    let found = store.get_many(&key(id).collection, &[key(id).id]).await.unwrap().remove(0);
    found.as_ref().map(|record: &Record| (record.version().get(), record.is_live()))
}

#[tokio::test]
async fn what_is_in_a_cache_passes_too() {
    let clock = clock();
    let raw = memory(&clock).await;
    let layers = json!([
        { "layer": "metrics" },
        { "layer": "cache", "ttl_ms": 86_400_000, "keep_written": true },
        { "layer": "retry" },
    ]);
    let store = layered(Arc::clone(&raw), layers, &clock).unwrap();
    store.create(key("a"), document("a", 9)).await.unwrap();
    assert_eq!(version(&store, "a").await, Some(1));
    clock.advance(HOUR);
    assert_eq!(version(&store, "a").await, None);
    store.create(key("a"), document("a", 10)).await.unwrap();
    assert_eq!(version(&store, "a").await, Some(3));
    // Renewed through another handle, which the cache does not know of.
    raw.save(key("a"), document("a", 23)).await.unwrap();
    clock.advance(HOUR);
    assert_eq!(version(&store, "a").await, None, "what is kept has passed");
    let error = store.create(key("a"), document("a", 23)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "the store itself decides: {error}");
    assert_eq!(stored(&raw, "a").await, Some((4, true)));
}

#[tokio::test]
async fn without_a_time_to_live_there_is_no_layer() {
    let clock = clock();
    assert!(ExpiryLayer::of(&Schemas::default(), clock.clone()).is_none());
    let raw = memory(&clock).await;
    let same = stack_with_expiry(Arc::clone(&raw), &[], &Schemas::default(), clock.clone());
    assert!(Arc::ptr_eq(&same.unwrap(), &raw));
    let twice =
        json!([{ "layer": "retry" }, { "layer": "cache", "ttl_ms": 1 }, { "layer": "retry" }]);
    assert_eq!(layered(raw, twice, &clock).unwrap_err().kind(), ErrorKind::ConfigInvalid);
}

/// Does something to the store before its commits, or fails them.
#[derive(Debug)]
struct Meddling {
    what: Meddle,
    commits: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
enum Meddle {
    /// Sweeps before the first commit.
    Sweep,
    /// Stores a new version of `a`, whose time has passed as well, before each commit.
    Rewrite,
    /// Loses the answer of the first commit.
    LoseAnswer,
}

impl Layer for Meddling {
    async fn commit(&self, inner: &Inner, writes: Vec<Write>) -> Result<Vec<Written>> {
        let first = self.commits.fetch_add(1, Ordering::SeqCst) == 0;
        match self.what {
            Meddle::Sweep if first => {
                inner.delete(key("a")).await?;
            }
            Meddle::Rewrite => {
                inner.save(key("a"), document("a", 8)).await?;
            }
            Meddle::LoseAnswer if first => {
                inner.commit(writes).await?;
                let why = "the answer was lost";
                return Err(repo_core::Error::new(ErrorKind::OutcomeUnknown, "commit", why));
            }
            Meddle::Sweep | Meddle::LoseAnswer => {}
        }
        inner.commit(writes).await
    }
}

/// A store with `a` at version 1, whose time has passed, and somebody who meddles.
async fn meddled(what: Meddle) -> (Inner, Inner) {
    let clock = clock();
    let raw = memory(&clock).await;
    raw.save(key("a"), document("a", 8)).await.unwrap();
    let meddling = Meddling { what, commits: AtomicUsize::new(0) }.around(Arc::clone(&raw));
    (layered(meddling, json!([]), &clock).unwrap(), raw)
}

#[tokio::test]
async fn what_somebody_sweeps_meanwhile_is_gone_all_the_same() {
    let (store, raw) = meddled(Meddle::Sweep).await;
    assert_eq!(store.create(key("a"), document("a", 9)).await.unwrap().version.get(), 3);
    assert_eq!(stored(&raw, "a").await, Some((3, true)));
    let (store, raw) = meddled(Meddle::Sweep).await;
    let write = Write::put(key("a"), document("a", 9), Precondition::Exists);
    let error = store.commit(vec![write]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(stored(&raw, "a").await, Some((2, false)));
}

#[tokio::test]
async fn an_id_that_never_rests_is_given_up_and_nothing_is_written() {
    let (store, raw) = meddled(Meddle::Rewrite).await;
    let write = Write::put(key("a"), document("a", 23), Precondition::Exists);
    let error = store.commit(vec![write]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let found = raw.get(&key("a").collection, &key("a").id).await.unwrap().unwrap();
    assert!(found.document.equals(&document("a", 8)), "{found:?}");
}

#[tokio::test]
async fn a_lost_answer_of_the_removal_is_no_unknown_outcome_of_the_commit() {
    let (store, raw) = meddled(Meddle::LoseAnswer).await;
    let error = store.save(key("a"), document("a", 9)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(stored(&raw, "a").await, Some((2, false)));
    assert_eq!(store.save(key("a"), document("a", 9)).await.unwrap().version.get(), 3);
}

#[tokio::test]
async fn a_sweep_of_a_cached_store_forgets_what_it_deletes() {
    let clock = clock();
    let raw = memory(&clock).await;
    let cache = json!([{ "layer": "cache", "ttl_ms": 86_400_000, "keep_written": true }]);
    let store = layered(Arc::clone(&raw), cache, &clock).unwrap();
    for id in ["a", "b", "c"] {
        store.create(key(id), document(id, 9)).await.unwrap();
        assert_eq!(version(&store, id).await, Some(1));
    }
    clock.advance(HOUR);
    let options = SweepOptions::default().with_batch_size(NonZeroUsize::MIN);
    let swept = sweep(&*store, &schemas(), &*clock, &options).await.unwrap();
    assert_eq!(swept[0].removed, 3);
    for id in ["a", "b", "c"] {
        assert_eq!(stored(&store, id).await, Some((2, false)));
        assert_eq!(stored(&raw, id).await, Some((2, false)));
    }
}

/// Who refers to something holds it until swept or overwritten, seen or not.
#[tokio::test]
async fn what_has_passed_refers_to_something_until_it_is_swept() {
    let clock = clock();
    let hosts = CollectionSchema::builder("hosts", "id").build().unwrap();
    let sessions = CollectionSchema::builder("sessions", "id")
        .field("until", FieldKind::Text, true)
        .field("host", FieldKind::Text, true)
        .ttl_field("until")
        .reference("host", "hosts")
        .enforce_references()
        .build()
        .unwrap();
    let host = Key::new(hosts.collection.clone(), "h".parse().unwrap());
    let both = Schemas::from_iter([hosts, sessions]);
    let raw = MemoryStrategy::new(
        OpenOptions::default().with_clock(Arc::clone(&clock) as Arc<dyn Clock>),
    );
    raw.prepare(&ReferenceLayer::prepared_with(&both).unwrap()).await.unwrap();
    let layers = [LayerConfig::References(NoSettings {})];
    let by = Arc::clone(&clock) as Arc<dyn Clock>;
    let store = stack_with_expiry(Arc::new(raw), &layers, &both, by).unwrap();
    let session = |hour: u8| {
        let until = format!("2026-03-01T{hour:02}:00:00Z");
        Document::parse(&json!({ "id": "a", "until": until, "host": "h" }).to_string()).unwrap()
    };
    let error = store.create(key("a"), session(9)).await.unwrap_err();
    assert_eq!(error.context_value("refers_to"), Some("hosts/h"));
    store.create(host.clone(), Document::parse(r#"{"id": "h"}"#).unwrap()).await.unwrap();
    store.create(key("a"), session(9)).await.unwrap();
    clock.advance(HOUR);
    store.create(key("a"), session(10)).await.unwrap();
    clock.advance(HOUR);
    let away = || vec![Write::delete(host.clone(), Precondition::Exists)];
    assert_eq!(version(&store, "a").await, None);
    assert_eq!(store.commit(away()).await.unwrap_err().kind(), ErrorKind::Invalid);
    sweep(&*store, &both, &*clock, &SweepOptions::default()).await.unwrap();
    store.commit(away()).await.unwrap();
}
