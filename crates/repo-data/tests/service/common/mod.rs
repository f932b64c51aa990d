//! A place with a service: a store of records, a folder of blobs, a spool, a clock that the test
//! moves.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod invariants;
pub mod refused;
pub mod story;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use repo_blob::{Blob, BlobOptions, ByteStream};
use repo_core::{EntityId, ManualClock, Result, Timestamp};
use repo_data::model::{Owner, StoreName};
use repo_data::{BlobStores, DataOptions, DataService, Hooks, collections};
use repo_engine::Store;
use repo_testkit::servers;
use tempfile::TempDir;

pub const HOUR: Duration = Duration::from_secs(3_600);
pub const DAY: Duration = Duration::from_secs(24 * 3_600);

pub struct Place {
    pub folder: TempDir,
    pub store: Store,
    pub clock: Arc<ManualClock>,
    /// Behind the store, whose connections end before.
    schema: Option<Schema>,
}

/// A schema on the PostgreSQL server of the tests, removed on drop.
struct Schema(String);

impl Drop for Schema {
    fn drop(&mut self) {
        // A test that failed may still hold locks; then what is to be removed stays.
        let sql = format!("SET lock_timeout = '5s'; DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.0);
        let mut psql = Command::new("psql");
        let _ = psql.args(["-Xqd", &servers::postgres(), "-c", &sql]).output();
    }
}

impl Place {
    pub async fn memory() -> Self {
        Self::at("memory:").await
    }

    pub async fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("m.db").display());
        Self::with(folder, &url).await
    }

    pub async fn json() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("json:{}", folder.path().join("records").display());
        Self::with(folder, &url).await
    }

    /// In a schema of its own.
    pub async fn postgres() -> Self {
        let schema = Schema(servers::unique_name());
        let place = Self::at(&format!("{}?schema={}", servers::postgres(), schema.0)).await;
        Self { schema: Some(schema), ..place }
    }

    pub async fn at(url: &str) -> Self {
        Self::with(TempDir::new().unwrap(), url).await
    }

    pub async fn with(folder: TempDir, url: &str) -> Self {
        let schemas = collections::schemas().unwrap();
        let store = Store::open(url).schemas(schemas).await.unwrap();
        Self { folder, store, clock: clock(), schema: None }
    }

    pub fn blobs(&self) -> PathBuf {
        self.folder.path().join("blobs")
    }

    pub fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    /// Options of a service in this place; values and texts spill early, so that tests are
    /// small.
    pub fn options(&self) -> DataOptions {
        options(self.folder.path(), Arc::clone(&self.clock))
    }

    pub async fn open(&self) -> DataService {
        self.open_with(self.options()).await
    }

    pub async fn open_with(&self, options: DataOptions) -> DataService {
        open(self.store.clone(), &self.blobs(), options).await
    }

    pub async fn try_open(&self) -> Result<DataService> {
        try_open(self.store.clone(), &self.blobs(), self.options()).await
    }

    /// A service that stops at a step.
    pub async fn stopping(
        &self,
        stops: impl Fn(repo_data::Step) -> bool + Send + Sync + 'static,
    ) -> DataService {
        self.open_with(DataOptions { hooks: Hooks::new(stops), ..self.options() }).await
    }
}

pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::parse("2026-03-01T08:00:00Z").unwrap()))
}

pub fn options(folder: &Path, clock: Arc<ManualClock>) -> DataOptions {
    DataOptions {
        spool: Some(folder.join("spool")),
        spill_above: 64,
        clock,
        ..DataOptions::default()
    }
}

pub async fn open(store: Store, blobs: &Path, options: DataOptions) -> DataService {
    try_open(store, blobs, options).await.unwrap()
}

pub async fn try_open(store: Store, blobs: &Path, options: DataOptions) -> Result<DataService> {
    let blobs = repo_blob::open(blobs.to_str().unwrap(), &BlobOptions::default()).await?;
    let blobs = BlobStores::new(StoreName::new("main").unwrap(), blobs);
    DataService::open(store, blobs, options).await
}

pub fn id(text: &str) -> EntityId {
    EntityId::new(text).unwrap()
}

pub fn ada() -> Owner {
    Owner::new("ada").unwrap()
}

/// The bytes as a stream of small chunks.
pub fn bytes(bytes: &[u8]) -> ByteStream<'static> {
    let chunks: Vec<_> = bytes.chunks(7).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks).boxed()
}

pub async fn read(blob: Blob) -> Vec<u8> {
    blob.bytes.try_collect::<Vec<_>>().await.unwrap().concat()
}
