//! [`StorageStrategy`] over JSON files.

mod asking;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::ready;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use repo_core::strategy::{
    Applied, Capabilities, Changes, FeedPosition, OlderThan, OlderVersion, OpenOptions,
    PhysicalIdentity, Prepared, Purged, Record, RecordBatch, RecordStream, Remnant, ScanOptions,
    StateMark, StorageStrategy, StoreRecord, StoreUpdate, SystemCollection, SystemItem,
    SystemWrite, VersionWrite, check_distinct_keys, check_none_is_live, check_writable,
    identity_of_files, level_by_key, level_of, with_records,
};
use repo_core::{
    Aggregates, Aggregation, Attribution, Change, CollectionName, CollectionSchema, Consistency,
    EntityId, Error, ErrorKind, Filter, Health, HealthDepth, Page, Query, QueryAnalysis, Result,
    Timestamp, Version, Write, Written,
};
use tokio::sync::oneshot;

use crate::config::JsonSettings;
use crate::env::Env;
use crate::errors;
use crate::feed;
use crate::health;
use crate::hooks::Hooks;
use crate::names::{READ_HISTORY, TRIM_FEED, WRITE_HISTORY, WRITE_ITEMS};
use crate::older;
use crate::reader;
use crate::scan::Scan;
use crate::session::{Session, check_prepare};
use crate::store::{Store, collection};
use crate::thread::Writer;
use crate::writer::Request;

/// Records in JSON files that any tool can read.
pub struct JsonStrategy {
    store: Arc<Store>,
    capabilities: Capabilities,
    writer: Writer,
}

impl fmt::Debug for JsonStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JsonStrategy").field(&self.store.env.location).finish()
    }
}

impl JsonStrategy {
    /// Opens a store. A folder that does not exist is left to
    /// [`prepare`](StorageStrategy::prepare) to make.
    ///
    /// # Errors
    /// `ConfigInvalid` for a wrong setting, `Unsupported` for one that is not yet
    /// supported; `NotFound` when opened read-only and there is no store;
    /// `Corrupt` when a file is damaged; `PermissionDenied` when one may not be
    /// opened; `Unsupported` for a newer layout.
    ///
    /// ```
    /// use repo_core::strategy::{OpenOptions, StorageStrategy as _};
    /// use repo_json::{JsonSettings, JsonStrategy, StorageType};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let base_path = folder.path().join("data");
    /// # /*
    /// let base_path = "data".into();
    /// # */
    /// let settings = JsonSettings {
    ///     base_path,
    ///     storage_type: StorageType::SplitFiles,
    ///     ..JsonSettings::default()
    /// };
    /// let store = JsonStrategy::open(settings, OpenOptions::default()).await?;
    /// store.prepare(&[]).await?;
    /// store.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(settings: JsonSettings, options: OpenOptions) -> Result<Self> {
        settings.check()?;
        let env = Env::new(settings, options, Hooks::default());
        let location = env.location.clone();
        tokio::task::spawn_blocking(move || Self::open_here(env))
            .await
            .map_err(|_| errors::interrupted("open the store", &location))?
    }

    /// Opens a store; blocks while its files are read.
    pub(crate) fn open_here(env: Env) -> Result<Self> {
        let read_only = env.options.read_only;
        let max_entity_bytes = env.options.max_entity_bytes;
        if !read_only {
            check_writable("open the store", env.folder.path())?;
        }
        let store = Arc::new(Store::open(env)?);
        if read_only && !store.state().exists() {
            return Err(errors::no_store("open the store", &store.env.location));
        }
        if !read_only {
            let mut session = Session::new(Arc::clone(&store));
            let settled = session.begin();
            session.end();
            settled?;
        }
        let capabilities = Capabilities::new(max_entity_bytes)
            .with_durable(store.env.settings.sync_writes)
            .with_multi_process(true)
            .with_max_scan_segments(64)
            .with_parallel_scan(true)
            .with_indexes(true)
            .with_changes(true)
            .with_fence(true)
            .with_history(true)
            .with_read_only(read_only);
        Ok(Self { store, capabilities, writer: Writer::new() })
    }

    #[cfg(test)]
    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    #[cfg(test)]
    pub(crate) fn fail_to_start_writer(&self) -> Result<()> {
        self.writer.fail_to_start(&self.store)
    }
}

#[async_trait]
impl StorageStrategy for JsonStrategy {
    fn location(&self) -> &str {
        &self.store.env.location
    }

    async fn invents_versions(&self) -> Result<bool> {
        if !self.capabilities.read_only {
            // What has no version yet gets one for good with the first write.
            self.store.check_open("look for versions")?;
            return Ok(false);
        }
        self.blocking("look for versions", |store| {
            store.catch_up("look for versions")?;
            Ok(store.state().invents_versions)
        })
        .await
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.blocking("identify the store", |store| {
            let state = store.state();
            let files = state.files.iter().map(|file| store.env.folder.data(&file.name));
            let folder = store.env.folder.path();
            identity_of_files("json", folder, files)
                .map_err(|(path, e)| errors::io("identify the store", &path, e))
                .map(Some)
        })
        .await
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.ask("prepare", |reply| Request::Prepare(schemas.to_vec(), reply)).await
    }

    async fn upgrade_layout(&self) -> Result<Option<u32>> {
        self.ask("upgrade the layout", Request::Upgrade).await
    }

    async fn check_prepare(&self, schemas: &[CollectionSchema]) -> Result<()> {
        let schemas = schemas.to_vec();
        self.blocking("prepare", move |store| {
            check_writable("prepare", store.env.folder.path())?;
            store.catch_up("prepare")?;
            check_prepare(&store.env, &store.state(), &schemas)
        })
        .await
    }

    async fn collections(&self) -> Result<Vec<CollectionName>> {
        self.blocking("collections", |store| {
            store.catch_up("collections")?;
            Ok(store.state().names())
        })
        .await
    }

    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        level_by_key(self, "get").await?;
        if let Some(records) = reader::get_at_once(&self.store, collection, ids) {
            return Ok(records);
        }
        let (name, ids) = (collection.clone(), ids.to_vec());
        self.blocking("get", move |store| reader::get_many(store, &name, &ids)).await
    }

    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page> {
        level_of(self, "query", query.consistency()).await?;
        let (name, query) = (collection.clone(), query.clone());
        self.blocking("query", move |store| reader::query(store, &name, &query)).await
    }

    async fn analyze(&self, collection: &CollectionName, query: &Query) -> Result<QueryAnalysis> {
        level_of(self, "query", query.consistency()).await?;
        let (name, query) = (collection.clone(), query.clone());
        self.blocking("query", move |store| reader::analyze(store, &name, &query)).await
    }

    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        level_of(self, "count", consistency).await?;
        let (name, filter) = (collection.clone(), filter.clone());
        self.blocking("count", move |store| reader::count(store, &name, &filter)).await
    }

    async fn aggregate(
        &self,
        collection: &CollectionName,
        aggregation: &Aggregation,
    ) -> Result<Aggregates> {
        level_of(self, "aggregate", aggregation.consistency()).await?;
        let (name, asked) = (collection.clone(), aggregation.clone());
        self.blocking("aggregate", move |store| reader::aggregate(store, &name, &asked)).await
    }

    async fn scan(
        &self,
        collection_name: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        level_of(self, "scan", options.consistency).await?;
        let name = collection_name.clone();
        self.blocking("scan", move |store| {
            store.catch_up("scan")?;
            collection(&store.env, &store.state(), "scan", &name).map(|_| ())
        })
        .await?;
        let scan = Scan::new(Arc::clone(&self.store), collection_name.clone(), options);
        let batches = stream::try_unfold(Some(scan), next_batch);
        Ok(batches.try_filter(|batch| ready(!batch.is_empty())).boxed())
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        check_distinct_keys(&writes)?;
        let documents = writes.iter().map(|write| {
            let document = match &write.change {
                Change::Put(document) => Some(document),
                _ => None,
            };
            (&write.key.collection, &write.key.id, document)
        });
        self.check("commit", documents).await?;
        self.ask("commit", |reply| Request::Commit(writes, reply)).await
    }

    async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>> {
        let documents = records.iter().map(|r| (r.collection(), r.id(), r.document()));
        self.check("apply", documents).await?;
        self.ask("apply", |reply| Request::Apply(records, reply)).await
    }

    async fn purge(&self, collection: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        let name = collection.clone();
        self.ask("purge", |reply| Request::Purge(name, older_than, reply)).await
    }

    async fn state_mark(&self) -> Result<Option<StateMark>> {
        self.blocking("read the state of the store", |store| {
            store.catch_up("read the state of the store")?;
            Ok(Some(store.state().mark()))
        })
        .await
    }

    async fn store_record(&self) -> Result<StoreRecord> {
        self.blocking("read the store's record", |store| {
            store.catch_up("read the store's record")?;
            Ok(store.state().store_record())
        })
        .await
    }

    async fn update_store_record(&self, update: StoreUpdate) -> Result<StoreRecord> {
        self.ask("update the store's record", |reply| Request::Update(update, reply)).await
    }

    async fn checkpoint(&self) -> Result<()> {
        if self.capabilities.read_only {
            return self.store.check_open("checkpoint");
        }
        self.ask("checkpoint", Request::Checkpoint).await
    }

    async fn health(&self, depth: &HealthDepth) -> Result<Health> {
        if let Err(error) = self.store.check_open("health")
            && self.store.poisoned().is_none()
        {
            return Err(error);
        }
        let (store, depth) = (Arc::clone(&self.store), depth.clone());
        tokio::task::spawn_blocking(move || health::check(&store, &depth))
            .await
            .map_err(|_| errors::interrupted("health", &self.store.env.location))
    }

    async fn changes(&self, after: Option<&FeedPosition>, most: NonZeroUsize) -> Result<Changes> {
        let after = after.cloned();
        let read = move |store: &Store| feed::read(store, after.as_ref(), most);
        let (captured, next) = self.of_feed(read).await?;
        Ok(Changes::new(with_records(self, captured).await?, next))
    }

    async fn head(&self) -> Result<FeedPosition> {
        self.of_feed(feed::state).await?.head()
    }

    async fn trim_changes(&self, through: &FeedPosition) -> Result<()> {
        self.ask(TRIM_FEED, |reply| Request::Trim(through.clone(), reply)).await
    }

    async fn system_item(&self, collection: SystemCollection, key: &str) -> Result<Option<String>> {
        let key = key.to_owned();
        self.of_items(move |items| items.get(collection, &key).map(str::to_owned)).await
    }

    async fn system_items(
        &self,
        collection: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Result<Vec<SystemItem>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.of_items(move |items| items.list(collection, &prefix, after.as_deref(), most)).await
    }

    async fn write_system_items(&self, writes: Vec<SystemWrite>) -> Result<()> {
        self.ask(WRITE_ITEMS, |reply| Request::Items(writes, reply)).await
    }

    async fn older_versions(
        &self,
        collection: &CollectionName,
        of: &[OlderThan],
        most: NonZeroUsize,
    ) -> Result<Vec<OlderVersion>> {
        let (name, of) = (collection.clone(), of.to_vec());
        self.blocking(READ_HISTORY, move |store| older::read(store, &name, &of, most.get())).await
    }

    async fn attributions(
        &self,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> Result<Vec<Option<Attribution>>> {
        let (name, of) = (collection.clone(), of.to_vec());
        self.blocking(READ_HISTORY, move |store| older::attributions(store, &name, &of)).await
    }

    async fn scrub(&self, collection: &CollectionName, ids: &[EntityId]) -> Result<Vec<Remnant>> {
        check_none_is_live(self, collection, ids).await?;
        let (name, ids) = (collection.clone(), ids.to_vec());
        self.ask("scrub a record", |reply| Request::Scrub(name, ids, reply)).await
    }

    async fn write_versions(
        &self,
        collection: &CollectionName,
        writes: Vec<VersionWrite>,
    ) -> Result<Vec<Applied>> {
        let name = collection.clone();
        self.ask(WRITE_HISTORY, |reply| Request::Versions(name, writes, reply)).await
    }

    async fn close(&self) -> Result<()> {
        if !self.store.close() {
            return Ok(());
        }
        if self.capabilities.read_only {
            // It waits for reads that wait for a lock.
            let store = Arc::clone(&self.store);
            return tokio::task::spawn_blocking(move || store.release())
                .await
                .map_err(|_| errors::interrupted("close", &self.store.env.location));
        }
        let (reply, answer) = oneshot::channel();
        self.writer.send(&self.store, Request::Close(reply))?;
        answer.await.map_err(|_| interrupted_close(&self.store.env.location))?
    }
}

fn interrupted_close(location: &str) -> Error {
    Error::new(ErrorKind::Unavailable, "close", "the writer ended without an answer")
        .with("store", location)
        .hint("every acknowledged commit is in the journal; open the store again")
}

/// The next batch, which may be empty, and the scan after it.
async fn next_batch(scan: Option<Scan>) -> Result<Option<(RecordBatch, Option<Scan>)>> {
    let Some(mut scan) = scan else { return Ok(None) };
    let location = scan.store.env.location.clone();
    let read = tokio::task::spawn_blocking(move || {
        scan.store.check_open("scan")?;
        let (batch, more) = scan.next()?;
        Ok(Some((batch, more.then_some(scan))))
    });
    read.await.unwrap_or_else(|_| Err(errors::interrupted("scan", &location)))
}
