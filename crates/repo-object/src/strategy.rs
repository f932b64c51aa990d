//! [`StorageStrategy`] over a log of objects.

mod asking;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use repo_blob::NamedObjects;
use repo_core::strategy::{
    Applied, Capabilities, Changes, FeedPosition, OlderThan, OlderVersion, OpenOptions,
    PhysicalIdentity, Prepared, Purged, Record, RecordStream, Remnant, ScanOptions, StateMark,
    StorageStrategy, StoreId, StoreRecord, StoreUpdate, SystemCollection, SystemItem, SystemWrite,
    VersionWrite, check_distinct_keys, check_none_is_live, check_records, never_prepared,
    with_records,
};
use repo_core::{
    Aggregates, Aggregation, Attribution, CollectionName, CollectionSchema, Consistency, EntityId,
    Filter, Health, HealthDepth, Page, Query, QueryAnalysis, Result, Timestamp, Token, Version,
    Write, Written,
};

use crate::batch::check_prepare;
use crate::checkpoint::{self, Why};
use crate::config::ObjectSettings;
use crate::env::{Env, Limits};
use crate::feed;
use crate::health;
use crate::identity;
use crate::limits::{self, check_commit, check_documents, parts_of};
use crate::making;
use crate::names::{
    READ_FEED, READ_HISTORY, READ_ITEMS, SCRUB, TAKE_TOKEN, TRIM_FEED, WRITE_HISTORY, WRITE_ITEMS,
};
use crate::objects::Objects;
use crate::older;
use crate::open;
use crate::reader;
use crate::request::Asked;
use crate::scan;
use crate::store::Store;
use crate::writer::Writer;

/// Records in an object store.
pub struct ObjectStrategy {
    store: Arc<Store>,
    capabilities: Capabilities,
    writer: Arc<Writer>,
}

impl fmt::Debug for ObjectStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObjectStrategy").field(&self.store.env.location).finish()
    }
}

impl ObjectStrategy {
    /// Opens a store. One that does not exist is left to
    /// [`prepare`](StorageStrategy::prepare) to make; a bucket has to be there.
    ///
    /// # Errors
    /// `ConfigInvalid` for a wrong setting; `Unsupported` for a store of Google or Azure, and
    /// for a newer layout; `NotFound` for a bucket that is not there, and when opened read-only
    /// and there is no store; `Corrupt` and `Foreign` when an object cannot be read;
    /// `LimitExceeded` when the index would take more memory than `max_index_bytes`.
    ///
    /// ```
    /// use repo_core::strategy::{OpenOptions, StorageStrategy as _};
    /// use repo_object::{ObjectSettings, ObjectStrategy};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let location = format!("file://{}/store", folder.path().display());
    /// # /*
    /// let location = "s3://bucket/prefix".to_owned();
    /// # */
    /// let settings = ObjectSettings { location, ..ObjectSettings::default() };
    /// let store = ObjectStrategy::open(settings, OpenOptions::default()).await?;
    /// store.prepare(&[]).await?;
    /// store.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(settings: ObjectSettings, options: OpenOptions) -> Result<Self> {
        let objects = settings.objects()?;
        Self::open_with(objects, settings, options, Limits::default()).await
    }

    /// Opens a store in objects that the caller has: any store of the crate `object_store`
    /// that creates on condition, through
    /// [`NamedObjects::over`](repo_blob::NamedObjects::over). It has to send a request
    /// once, and leave it to this crate to try again. `settings.location` has no effect.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_in(
        named: NamedObjects,
        settings: ObjectSettings,
        options: OpenOptions,
    ) -> Result<Self> {
        let objects = settings.over(named);
        Self::open_with(objects, settings, options, Limits::default()).await
    }

    pub(crate) async fn open_with(
        objects: Objects,
        settings: ObjectSettings,
        options: OpenOptions,
        limits: Limits,
    ) -> Result<Self> {
        let env = Env::new(objects, settings, options, limits);
        if !env.options.read_only {
            making::check_place(&env, "open the store")?;
        }
        let capabilities = limits::capabilities(&env.options);
        let store = Arc::new(open::open(env).await?);
        let writer = Arc::new(Writer::new(Arc::clone(&store)));
        Ok(Self { store, capabilities, writer })
    }

    #[cfg(test)]
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }
}

#[async_trait]
impl StorageStrategy for ObjectStrategy {
    fn location(&self) -> &str {
        &self.store.env.location
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.store.check_open("identify the store")?;
        identity::of(&self.store).map(Some)
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.store.check_writable("prepare")?;
        self.store.catch_up("prepare").await?;
        check_prepare(&self.store.env, &self.store.state(), schemas)?;
        if !self.store.state().exists() {
            making::make_place(&self.store.env).await?;
        }
        let asked = Asked::Prepare(schemas.to_vec(), StoreId::random()?);
        let prepared = self.ask_prepared("prepare", asked).await?;
        schemas.iter().for_each(|schema| self.store.env.set_schema(schema));
        Ok(prepared)
    }

    async fn upgrade_layout(&self) -> Result<Option<u32>> {
        self.store.check_writable("upgrade the layout")?;
        self.store.catch_up("upgrade the layout").await?;
        match self.store.state().exists() {
            true => Ok(None),
            false => Err(never_prepared("upgrade the layout", self.location())),
        }
    }

    async fn check_prepare(&self, schemas: &[CollectionSchema]) -> Result<()> {
        making::check_place(&self.store.env, "prepare")?;
        let seen = self.store.catch_up("prepare").await;
        self.ended("prepare", seen)?;
        check_prepare(&self.store.env, &self.store.state(), schemas)
    }

    async fn collections(&self) -> Result<Vec<CollectionName>> {
        let seen = self.store.catch_up("collections").await;
        self.ended("collections", seen)?;
        Ok(self.store.state().names())
    }

    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        let level = self.level("get", None).await?;
        let found = reader::get_many(&self.store, collection, ids, level).await;
        self.ended("get", found)
    }

    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page> {
        let level = self.level("query", Some(query.consistency())).await?;
        let found = reader::query(&self.store, collection, query, level).await;
        self.ended("query", found)
    }

    async fn analyze(&self, collection: &CollectionName, query: &Query) -> Result<QueryAnalysis> {
        let level = self.level("query", Some(query.consistency())).await?;
        let found = reader::analyze(&self.store, collection, query, level).await;
        self.ended("query", found)
    }

    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        let level = self.level("count", Some(consistency)).await?;
        let counted = reader::count(&self.store, collection, filter, level).await;
        self.ended("count", counted)
    }

    async fn aggregate(
        &self,
        collection: &CollectionName,
        aggregation: &Aggregation,
    ) -> Result<Aggregates> {
        let level = self.level("aggregate", Some(aggregation.consistency())).await?;
        let grouped = reader::aggregate(&self.store, collection, aggregation, level).await;
        self.ended("aggregate", grouped)
    }

    async fn scan(
        &self,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        let level = self.level("scan", Some(options.consistency)).await?;
        let options = options.with_consistency(level);
        let begun = scan::scan(Arc::clone(&self.store), collection.clone(), options).await;
        self.ended("scan", begun)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        check_distinct_keys(&writes)?;
        self.store.check_writable("commit")?;
        check_commit(&writes)?;
        self.ask_written("commit", Asked::Commit(writes)).await
    }

    async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>> {
        let mut parts = parts_of(records);
        let Some(first) = parts.next() else {
            return self.ask_applied("apply", Asked::Apply(Vec::new())).await;
        };
        let rest: Vec<Vec<Record>> = parts.collect();
        // Before anything is written.
        rest.iter().try_for_each(|part| check_documents(&self.store.env, part))?;
        let mut applied = self.ask_applied("apply", Asked::Apply(first)).await?;
        for part in rest {
            applied.extend(self.ask_applied("apply", Asked::Apply(part)).await?);
        }
        Ok(applied)
    }

    async fn purge(&self, collection: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        self.ask_purged("purge", Asked::Purge(collection.clone(), older_than)).await
    }

    async fn state_mark(&self) -> Result<Option<StateMark>> {
        let seen = self.store.catch_up("read the state of the store").await;
        self.ended("read the state of the store", seen)?;
        Ok(Some(self.store.state().mark()))
    }

    /// The end of the log: a handle that has as much sees what the token names, and asks for
    /// nothing.
    async fn token(&self) -> Result<Token> {
        let seen = self.store.catch_up(TAKE_TOKEN).await;
        self.ended(TAKE_TOKEN, seen)?;
        let token = self.store.state().token();
        token.ok_or_else(|| never_prepared(TAKE_TOKEN, self.location()))
    }

    async fn store_record(&self) -> Result<StoreRecord> {
        let seen = self.store.catch_up("read the store's record").await;
        self.ended("read the store's record", seen)?;
        Ok(self.store.state().store_record())
    }

    async fn update_store_record(&self, update: StoreUpdate) -> Result<StoreRecord> {
        self.ask_record("update the store's record", Asked::Update(Box::new(update))).await
    }

    async fn checkpoint(&self) -> Result<()> {
        self.store.check_open("checkpoint")?;
        if self.capabilities.read_only {
            return Ok(());
        }
        self.store.catch_up("checkpoint").await?;
        let made = checkpoint::make(&self.store, Why::Asked).await;
        self.ended("checkpoint", made)
    }

    async fn health(&self, depth: &HealthDepth) -> Result<Health> {
        if let Err(error) = self.store.check_open("health")
            && self.store.poisoned().is_none()
        {
            return Err(error);
        }
        let mut checks = health::quick(&self.store).await;
        if let HealthDepth::Deep(progress) = depth {
            checks.extend(check_records(self, progress).await);
            checks.extend(health::histories(&self.store).await);
        }
        Ok(Health::new(checks))
    }

    async fn close(&self) -> Result<()> {
        if self.store.close() {
            self.writer.close().await;
            self.store.release().await;
        }
        Ok(())
    }

    async fn changes(&self, after: Option<&FeedPosition>, most: NonZeroUsize) -> Result<Changes> {
        self.store.check_writable(READ_FEED)?;
        let read = feed::read(&self.store, after, most).await;
        let (captured, next) = self.ended(READ_FEED, read)?;
        Ok(Changes::new(with_records(self, captured).await?, next))
    }

    async fn head(&self) -> Result<FeedPosition> {
        self.store.check_writable(READ_FEED)?;
        let head = feed::head(&self.store).await;
        self.ended(READ_FEED, head)
    }

    async fn trim_changes(&self, through: &FeedPosition) -> Result<()> {
        self.ask_done(TRIM_FEED, Asked::Trim(through.clone())).await
    }

    async fn system_item(&self, collection: SystemCollection, key: &str) -> Result<Option<String>> {
        let seen = self.store.catch_up(READ_ITEMS).await;
        self.ended(READ_ITEMS, seen)?;
        let state = self.store.state();
        state.feed(&self.store.env, READ_ITEMS)?;
        Ok(state.items.get(collection, key).map(str::to_owned))
    }

    async fn system_items(
        &self,
        collection: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Result<Vec<SystemItem>> {
        let seen = self.store.catch_up(READ_ITEMS).await;
        self.ended(READ_ITEMS, seen)?;
        let state = self.store.state();
        state.feed(&self.store.env, READ_ITEMS)?;
        Ok(state.items.list(collection, prefix, after, most))
    }

    async fn write_system_items(&self, writes: Vec<SystemWrite>) -> Result<()> {
        self.ask_done(WRITE_ITEMS, Asked::Items(writes)).await
    }

    async fn older_versions(
        &self,
        collection: &CollectionName,
        of: &[OlderThan],
        most: NonZeroUsize,
    ) -> Result<Vec<OlderVersion>> {
        let read = older::read(&self.store, collection, of, most.get()).await;
        self.ended(READ_HISTORY, read)
    }

    async fn write_versions(
        &self,
        collection: &CollectionName,
        writes: Vec<VersionWrite>,
    ) -> Result<Vec<Applied>> {
        self.ask_applied(WRITE_HISTORY, Asked::Versions(collection.clone(), writes)).await
    }

    async fn attributions(
        &self,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> Result<Vec<Option<Attribution>>> {
        let read = older::attributions(&self.store, collection, of).await;
        self.ended(READ_HISTORY, read)
    }

    async fn scrub(&self, collection: &CollectionName, ids: &[EntityId]) -> Result<Vec<Remnant>> {
        self.store.check_writable(SCRUB)?;
        check_none_is_live(self, collection, ids).await?;
        self.store.catch_up(SCRUB).await?;
        self.store.state().check_rebuild(&self.store.env, SCRUB)?;
        // What the frames before it hold goes.
        self.ask_done(SCRUB, Asked::Frame).await?;
        let scrubbed = checkpoint::scrub(&self.store).await;
        self.ended(SCRUB, scrubbed)
    }
}
