//! A program that goes on while its store moves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use repo_core::strategy::{
    LiveId, OpenOptions, Record, RoleChange, RoleState, Route, StorageStrategy,
    StorageStrategyExt as _, StoreRole, StoreUpdate,
};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, ErrorKind, Key, MemoryStrategy, Result,
    Schemas,
};
use repo_routed::{NoRoutes, RoutedStrategy, Routes, RoutingOptions};

/// Two stores, the first of which is the one that programs are configured with.
struct Two {
    first: Arc<MemoryStrategy>,
    second: Arc<MemoryStrategy>,
}

/// Names every store that is given to it.
#[derive(Debug)]
struct Named(Vec<Arc<MemoryStrategy>>);

#[async_trait]
impl Routes for Named {
    async fn open(&self, route: &Route) -> Result<Option<Arc<dyn StorageStrategy>>> {
        for store in &self.0 {
            if store.store_record().await?.id == Some(route.store) {
                return Ok(Some(Arc::clone(store) as Arc<dyn StorageStrategy>));
            }
        }
        Ok(None)
    }
}

fn live() -> LiveId {
    LiveId::from_bytes([7; LiveId::BYTES])
}

fn items() -> CollectionName {
    CollectionName::new("items").unwrap()
}

fn key() -> Key {
    Key::new(items(), EntityId::new("a").unwrap())
}

fn document(n: u64) -> Document {
    Document::parse(&format!(r#"{{"id":"a","n":{n}}}"#)).unwrap()
}

async fn save(store: &dyn StorageStrategy, n: u64) -> Result<u64> {
    Ok(store.save(key(), document(n)).await?.version.get())
}

async fn n_of(store: &dyn StorageStrategy) -> Option<String> {
    let found = store.get_many(&items(), &[key().id]).await.unwrap().remove(0)?;
    found.document().map(|document| document.as_str().to_owned())
}

async fn step(store: &MemoryStrategy, change: impl FnOnce(&mut RoleState)) {
    let expected = store.store_record().await.unwrap().role;
    let mut next = expected.clone();
    change(&mut next);
    let change = Box::new(RoleChange::new(expected, next));
    store.update_store_record(StoreUpdate::Role(change)).await.unwrap();
}

impl Two {
    async fn new() -> Self {
        let schemas: Schemas = [CollectionSchema::undeclared(items())].into_iter().collect();
        let options = OpenOptions::default().with_schemas(Arc::new(schemas));
        let [first, second] = [(); 2].map(|()| Arc::new(MemoryStrategy::new(options.clone())));
        for store in [&first, &second] {
            store.prepare(&[CollectionSchema::undeclared(items())]).await.unwrap();
        }
        let two = Self { first, second };
        step(&two.first, |next| next.live = Some(live())).await;
        step(&two.second, |next| {
            next.role = StoreRole::Replica;
            next.live = Some(live());
        })
        .await;
        two
    }

    async fn routed(&self) -> Arc<RoutedStrategy> {
        self.routed_with(RoutingOptions::default()).await
    }

    async fn routed_with(&self, options: RoutingOptions) -> Arc<RoutedStrategy> {
        let routes = Named(vec![Arc::clone(&self.second)]);
        let first = Arc::clone(&self.first);
        Arc::new(RoutedStrategy::open(first, routes, options).await.unwrap())
    }

    async fn fence(&self, max_pause_ms: u32) {
        fence(&self.first, max_pause_ms).await;
    }

    async fn copy(&self) {
        let found = self.first.get_many(&items(), &[key().id]).await.unwrap();
        let records: Vec<Record> = found.into_iter().flatten().collect();
        let options = OpenOptions::default().with_works_for(Some(live()));
        self.second.share(options).apply(records).await.unwrap();
    }

    async fn decide(&self) {
        decide(&self.first, &self.second).await;
    }

    async fn promote(&self) {
        promote(&self.first, &self.second).await;
    }
}

async fn fence(store: &MemoryStrategy, max_pause_ms: u32) {
    step(store, |next| {
        next.role = StoreRole::Fenced;
        next.attempt += 1;
        next.max_pause_ms = Some(max_pause_ms);
    })
    .await;
}

async fn decide(from: &MemoryStrategy, to: &MemoryStrategy) {
    let id = to.store_record().await.unwrap().id.unwrap();
    step(from, |next| {
        next.role = StoreRole::Retired;
        next.epoch += 1;
        next.max_pause_ms = None;
        next.route = Some(Route::new(to.location(), id, live()));
    })
    .await;
}

async fn promote(from: &MemoryStrategy, to: &MemoryStrategy) {
    let epoch = from.store_record().await.unwrap().role.epoch;
    step(to, |next| {
        next.role = StoreRole::Authority;
        next.epoch = epoch;
        next.route = None;
    })
    .await;
}

/// A write during the pause is held, goes to the successor, and counts on from there.
#[tokio::test]
async fn a_write_is_held_and_goes_to_the_successor() {
    let two = Two::new().await;
    let store = two.routed().await;
    assert_eq!(save(&*store, 1).await.unwrap(), 1);
    two.fence(5_000).await;
    let held = tokio::spawn({
        let store = Arc::clone(&store);
        async move { save(&*store, 2).await }
    });
    tokio::task::yield_now().await;
    two.copy().await;
    two.decide().await;
    two.promote().await;
    assert_eq!(held.await.unwrap().unwrap(), 2);
    assert_eq!(n_of(&*two.second).await.as_deref(), Some(document(2).as_str()));
    assert_eq!(n_of(&*two.first).await.as_deref(), Some(document(1).as_str()));
    assert_eq!(n_of(&*store).await.as_deref(), Some(document(2).as_str()));
    assert_eq!(store.location(), two.second.location());
}

/// A cancelled move lets the writers go on where they were.
#[tokio::test]
async fn a_cancelled_move_is_no_error() {
    let two = Two::new().await;
    let store = two.routed().await;
    two.fence(5_000).await;
    let held = tokio::spawn({
        let store = Arc::clone(&store);
        async move { save(&*store, 1).await }
    });
    tokio::task::yield_now().await;
    step(&two.first, |next| {
        next.role = StoreRole::Authority;
        next.attempt += 1;
        next.max_pause_ms = None;
    })
    .await;
    assert_eq!(held.await.unwrap().unwrap(), 1);
    assert_eq!(store.location(), two.first.location());
}

/// A program that reads meanwhile never gets what the store held before it moved.
#[tokio::test]
async fn a_read_follows_once_its_lease_has_passed() {
    let two = Two::new().await;
    let store = two.routed().await;
    save(&*store, 1).await.unwrap();
    two.fence(5_000).await;
    two.copy().await;
    two.decide().await;
    // What a migration waits for before it decides.
    tokio::time::sleep(RoutingOptions::LEASE).await;
    two.promote().await;
    save(&*two.second, 2).await.unwrap();
    assert_eq!(n_of(&*store).await.as_deref(), Some(document(2).as_str()));
}

/// A decided successor that nobody promoted is promoted by a program that meets it.
#[tokio::test]
async fn a_router_promotes_what_was_decided() {
    let two = Two::new().await;
    let store = two.routed().await;
    save(&*store, 1).await.unwrap();
    two.fence(5_000).await;
    two.copy().await;
    two.decide().await;
    assert_eq!(save(&*store, 2).await.unwrap(), 2);
    let role = two.second.store_record().await.unwrap().role;
    assert_eq!((role.role, role.epoch), (StoreRole::Authority, 1));
}

/// On the way back too, where the successor had retired before.
#[tokio::test]
async fn a_router_promotes_what_was_decided_on_the_way_back() {
    let two = Two::new().await;
    let store = two.routed().await;
    two.fence(5_000).await;
    two.decide().await;
    save(&*store, 1).await.unwrap();
    fence(&two.second, 5_000).await;
    decide(&two.second, &two.first).await;
    assert_eq!(save(&*store, 2).await.unwrap(), 1);
    let role = two.first.store_record().await.unwrap().role;
    assert_eq!((role.role, role.epoch, role.route), (StoreRole::Authority, 2, None));
}

/// A fence that nobody ends is lifted under a new attempt, so that the migration that put
/// it up can decide nothing any more.
#[tokio::test]
async fn a_router_lifts_a_fence_that_nobody_ends() {
    let two = Two::new().await;
    let store = two.routed().await;
    two.fence(0).await;
    let fenced = two.first.store_record().await.unwrap().role;
    assert_eq!(save(&*store, 1).await.unwrap(), 1);
    let role = two.first.store_record().await.unwrap().role;
    assert_eq!((role.role, role.attempt), (StoreRole::Authority, 2));
    let mut retired = fenced.clone();
    retired.role = StoreRole::Retired;
    let change = Box::new(RoleChange::new(fenced, retired));
    let late = two.first.update_store_record(StoreUpdate::Role(change)).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Locked);
}

/// Beyond its patience an operation is refused, with nothing written.
#[tokio::test]
async fn a_move_that_takes_too_long_is_an_error() {
    let two = Two::new().await;
    let options = RoutingOptions::default().with_patience(Duration::from_millis(80));
    let store = two.routed_with(options).await;
    two.fence(60_000).await;
    let error = save(&*store, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.is_retryable());
    assert_eq!(n_of(&*two.first).await, None);
}

/// There and back: the configured store is found again, with a higher epoch.
#[tokio::test]
async fn a_store_moves_there_and_back() {
    let two = Two::new().await;
    let store = two.routed().await;
    save(&*store, 1).await.unwrap();
    two.fence(5_000).await;
    two.copy().await;
    two.decide().await;
    assert_eq!(save(&*store, 2).await.unwrap(), 2);
    fence(&two.second, 5_000).await;
    let found = two.second.get_many(&items(), &[key().id]).await.unwrap();
    let options = OpenOptions::default().with_works_for(Some(live()));
    two.first.share(options).apply(found.into_iter().flatten().collect()).await.unwrap();
    decide(&two.second, &two.first).await;
    promote(&two.second, &two.first).await;
    assert_eq!(save(&*store, 3).await.unwrap(), 3);
    assert_eq!(store.location(), two.first.location());
    assert_eq!(two.first.store_record().await.unwrap().role.epoch, 2);
    // One that is opened now begins at the configured store, and stays there.
    assert_eq!(two.routed().await.location(), two.first.location());
}

/// A successor that the program does not name is refused, and named in the error.
#[tokio::test]
async fn an_unknown_successor_is_refused() {
    let two = Two::new().await;
    two.fence(5_000).await;
    two.decide().await;
    let first = Arc::clone(&two.first);
    let refused = RoutedStrategy::open(first, NoRoutes, RoutingOptions::default()).await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert_eq!(error.context_value("successor"), Some(two.second.location()));
}

/// A successor that is older than the decision, as one restored from a backup is.
#[tokio::test]
async fn a_restored_successor_is_refused() {
    let two = Two::new().await;
    two.fence(5_000).await;
    two.decide().await;
    step(&two.second, |next| {
        next.role = StoreRole::Authority;
        next.attempt += 1;
        next.live = None;
    })
    .await;
    let routes = Named(vec![Arc::clone(&two.second)]);
    let first = Arc::clone(&two.first);
    let refused = RoutedStrategy::open(first, routes, RoutingOptions::default()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Foreign);
}

/// What is refused for another reason is no move, and is not waited for.
#[tokio::test]
async fn another_refusal_is_passed_on() {
    let two = Two::new().await;
    let store = two.routed().await;
    let begun = std::time::Instant::now();
    let error = store.purge(&items(), repo_core::Timestamp::from_micros(0).unwrap()).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Locked);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// The closed handle answers for itself, whatever it has followed.
#[tokio::test]
async fn a_closed_router_is_closed() {
    let two = Two::new().await;
    let store = two.routed().await;
    store.close().await.unwrap();
    assert_eq!(save(&*store, 1).await.unwrap_err().kind(), ErrorKind::Closed);
}
