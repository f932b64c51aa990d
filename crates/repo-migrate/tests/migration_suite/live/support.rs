//! Two stores, one of which moves to the other, and programs that write.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use repo_core::strategy::{
    LiveId, OpenOptions, Record, Route, ScanOptions, StorageStrategy, StorageStrategyExt as _,
    StrategyFactory,
};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, Key, MemoryStrategy, Precondition,
    Result, Schemas, Write, Written,
};
use repo_json::JsonFactory;
use repo_migrate::live::{
    self, LiveOptions, LivePhase, LivePlace, LiveStores, SwitchOptions, SwitchReport,
};
use repo_migrate::{Phase, Progress};
use repo_routed::{RoutedStrategy, Routes, RoutingOptions};
use repo_sql::{PostgresFactory, SqliteFactory};
use repo_testkit::servers;
use serde_json::json;

pub(super) type Store = Arc<dyn StorageStrategy>;

/// Where a store of these tests is.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Memory(Arc<MemoryStrategy>),
    Json(Arc<tempfile::TempDir>),
    Sqlite(Arc<tempfile::TempDir>),
    Postgresql(Arc<Schema>),
}

/// A schema on the PostgreSQL server.
#[derive(Debug)]
pub(super) struct Schema(String);

impl Schema {
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    fn url(&self) -> String {
        format!("{}?schema={}", servers::postgres(), self.0)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        // A connection that still ends may hold locks for a moment. What cannot be removed
        // stays, and disturbs nobody.
        let sql = format!("SET lock_timeout = '5s'; DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.0);
        let _ = Command::new("psql").args(["-Xqd", &servers::postgres(), "-c", &sql]).output();
    }
}

pub(super) fn items() -> CollectionName {
    CollectionName::new("items").unwrap()
}

pub(super) fn schemas() -> Vec<CollectionSchema> {
    vec![CollectionSchema::undeclared(items())]
}

impl Place {
    pub(super) fn new(kind: &str) -> Self {
        let folder = || Arc::new(tempfile::tempdir().unwrap());
        match kind {
            "memory" => Self::Memory(Arc::new(MemoryStrategy::new(OpenOptions::default()))),
            "json" => Self::Json(folder()),
            "postgresql" => Self::Postgresql(Arc::new(Schema(servers::unique_name()))),
            _ => Self::Sqlite(folder()),
        }
    }

    pub(super) async fn store(&self) -> Store {
        LivePlace::open(self, None).await.unwrap()
    }
}

#[async_trait]
impl LivePlace for Place {
    async fn open(&self, works_for: Option<LiveId>) -> Result<Store> {
        let all: Schemas = schemas().into_iter().collect();
        let options = OpenOptions::default().with_schemas(Arc::new(all)).with_works_for(works_for);
        match self {
            Self::Memory(records) => Ok(Arc::new(records.share(options))),
            Self::Json(folder) => {
                JsonFactory.open(&json!({ "base_path": folder.path() }), options).await
            }
            Self::Sqlite(folder) => {
                let file = folder.path().join("store.db");
                SqliteFactory.open(&json!({ "name": file }), options).await
            }
            Self::Postgresql(schema) => {
                let settings = PostgresFactory.settings_from_url(&schema.url())?.unwrap();
                PostgresFactory.open(&settings, options).await
            }
        }
    }
}

#[async_trait]
impl Routes for Place {
    async fn open(&self, route: &Route) -> Result<Option<Store>> {
        let store = self.store().await;
        Ok((store.store_record().await?.id == Some(route.store)).then_some(store))
    }
}

/// Ends a run when it is asked to.
#[derive(Clone)]
pub(super) struct Stop {
    asked: Shared<BoxFuture<'static, ()>>,
}

impl Stop {
    pub(super) fn new() -> (Self, tokio::sync::oneshot::Sender<()>) {
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let asked = async move { receiver.await.unwrap_or_default() }.boxed().shared();
        (Self { asked }, sender)
    }
}

impl Progress for Stop {
    fn phase(&self, _phase: Phase, _total: Option<u64>) {}
    fn advance(&self, _collection: &CollectionName, _records: u64) {}

    fn stopped(&self) -> BoxFuture<'_, ()> {
        self.asked.clone().boxed()
    }
}

pub(super) fn key(id: &str) -> Key {
    Key::new(items(), EntityId::new(id).unwrap())
}

pub(super) fn document(id: &str, n: u64) -> Document {
    Document::parse(&format!(r#"{{"id":"{id}","n":{n}}}"#)).unwrap()
}

/// Two stores, the first of which holds something.
pub(super) struct Move {
    pub(super) source: Place,
    pub(super) target: Place,
}

impl Move {
    pub(super) async fn new(source: &str, target: &str) -> Self {
        let this = Self { source: Place::new(source), target: Place::new(target) };
        let store = this.source.store().await;
        store.prepare(&schemas()).await.unwrap();
        for n in 0..300 {
            let id = format!("old-{n:03}");
            store.save(key(&id), document(&id, 0)).await.unwrap();
        }
        store.delete(key("old-000")).await.unwrap();
        this
    }

    pub(super) fn stores(&self) -> LiveStores<'_> {
        LiveStores { source: &self.source, target: &self.target }
    }

    pub(super) async fn routed(&self) -> Arc<RoutedStrategy> {
        let (configured, routes) = (self.source.store().await, self.target.clone());
        let options = RoutingOptions::default();
        Arc::new(RoutedStrategy::open(configured, routes, options).await.unwrap())
    }

    /// Copies, compares and follows until it is stopped.
    pub(super) fn begin(
        &self,
    ) -> (tokio::task::JoinHandle<Result<()>>, tokio::sync::oneshot::Sender<()>) {
        self.begin_at(None)
    }

    /// The same with so many records a second.
    pub(super) fn begin_at(
        &self,
        rate: Option<usize>,
    ) -> (tokio::task::JoinHandle<Result<()>>, tokio::sync::oneshot::Sender<()>) {
        let (source, target) = (self.source.clone(), self.target.clone());
        let (stop, sender) = Stop::new();
        let task = tokio::spawn(async move {
            let stores = LiveStores { source: &source, target: &target };
            let mut options = LiveOptions::default();
            options.batch_size = NonZeroUsize::new(37).unwrap();
            options.poll = Duration::from_millis(5);
            options.rate_limit = rate.and_then(NonZeroUsize::new);
            live::start(stores, &Schemas::default(), &options, &stop).await
        });
        (task, sender)
    }

    pub(super) async fn until(&self, phase: LivePhase) {
        let mut seen = None;
        for _ in 0..2_000 {
            match live::status(self.stores()).await {
                Ok(status) if status.phase == phase => return,
                Ok(status) => seen = Some(format!("{status:?}")),
                Err(error) => seen = Some(error.to_string()),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {phase:?}: {seen:?}");
    }

    pub(super) async fn switch(&self) -> Result<SwitchReport> {
        live::switch(self.stores(), SwitchOptions::default()).await
    }
}

/// Makes a move ready, and leaves it with nobody who follows.
pub(super) async fn ready(moving: &Move) {
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    drop(stop);
    mover.await.unwrap().unwrap();
}

pub(super) async fn all(store: &dyn StorageStrategy) -> BTreeMap<String, Record> {
    let records = store.scan(&items(), ScanOptions::default()).await.unwrap();
    let records = repo_testkit::batches(records).await.unwrap();
    records.into_iter().flatten().map(|record| (record.id().to_string(), record)).collect()
}

/// Writes some keys through the router until it is told to end; the last acknowledged version of each.
pub(super) fn writer(
    store: Arc<RoutedStrategy>,
    name: usize,
    ended: Arc<AtomicBool>,
) -> tokio::task::JoinHandle<BTreeMap<String, u64>> {
    pausing_writer(store, name, ended, None)
}

/// The same with a pause after each write.
pub(super) fn pausing_writer(
    store: Arc<RoutedStrategy>,
    name: usize,
    ended: Arc<AtomicBool>,
    pause: Option<Duration>,
) -> tokio::task::JoinHandle<BTreeMap<String, u64>> {
    tokio::spawn(async move {
        let mut acknowledged: BTreeMap<String, u64> = BTreeMap::new();
        let mut n = 0;
        while !ended.load(Ordering::Relaxed) {
            n += 1;
            let id = format!("w{name}-{}", n % 7);
            let before = acknowledged.get(&id).copied();
            let expected = match before {
                None => Precondition::Absent,
                Some(version) => Precondition::Version(repo_core::Version::new(version).unwrap()),
            };
            let write = Write::put(key(&id), document(&id, n), expected);
            let written = store.commit(vec![write]).await.unwrap();
            let [Written::Put { version, .. }] = written.as_slice() else { panic!() };
            // One that is new begins above what was purged.
            if let Some(before) = before {
                assert_eq!(version.get(), before + 1, "{id}");
            }
            acknowledged.insert(id.clone(), version.get());
            let read = store.get(&items(), &EntityId::new(&id).unwrap()).await.unwrap().unwrap();
            assert_eq!(read.version, *version, "a stale read of {id}");
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                // Some stores never wait for anything.
                None => tokio::task::yield_now().await,
            }
        }
        acknowledged
    })
}
