//! The strategy that programs use.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use repo_core::strategy::{
    Applied, Capabilities, Changes, FeedPosition, OlderThan, OlderVersion, OpenTransaction,
    PhysicalIdentity, Prepared, Purged, Record, RecordStream, Remnant, ScanOptions, StateMark,
    StorageStrategy, StoreRecord, StoreUpdate, SystemCollection, SystemItem, SystemWrite,
    UnfinishedJob, VersionWrite, unsupported,
};
use repo_core::{
    Aggregates, Aggregation, Attribution, CollectionName, CollectionSchema, Consistency, EntityId,
    ErrorKind, Filter, Health, HealthDepth, Page, Query, QueryAnalysis, Result, Timestamp, Token,
    Version, Write, Written,
};

use crate::router::Router;
use crate::{Routes, RoutingOptions};

/// A store that may move while it is used. See the [crate](crate).
///
/// Its [`location`](StorageStrategy::location) and
/// [`capabilities`](StorageStrategy::capabilities) are those of the store that was the
/// authority when one was last asked. A cursor or a position of the change feed from before a
/// move is refused by the successor, as one of another store is.
#[derive(Debug)]
pub struct RoutedStrategy {
    router: Router,
}

impl RoutedStrategy {
    /// Routes to the authority, beginning with the configured store. What it opens it closes.
    ///
    /// # Errors
    /// `Locked` when the store has moved to a place that `routes` does not name;
    /// `Foreign` for a successor that is older than the move; those of the stores.
    pub async fn open(
        configured: Arc<dyn StorageStrategy>,
        routes: impl Routes,
        options: RoutingOptions,
    ) -> Result<Self> {
        let router = Router::new(configured, Box::new(routes), options);
        let now = Instant::now();
        router.authority(now, now + options.patience).await?;
        Ok(Self { router })
    }

    /// Reads from the authority: by a lease that lasts until the answer is there, or again.
    async fn read<T, F>(&self, mut work: impl FnMut(Arc<dyn StorageStrategy>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let deadline = Instant::now() + self.router.options.patience;
        loop {
            let held = self.router.lease(deadline).await?;
            let done = work(Arc::clone(self.router.store_at(held.place))).await;
            // A store that has moved still answers, with what it held when it moved.
            if self.router.lease(deadline).await?.is_same(&held) {
                return done;
            }
            if Instant::now() >= deadline {
                return Err(self.router.too_long());
            }
        }
    }

    /// Writes to the authority. What it refuses because it is being moved is held.
    async fn write<T, F>(&self, mut work: impl FnMut(Arc<dyn StorageStrategy>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let deadline = Instant::now() + self.router.options.patience;
        let mut refused_by = None;
        loop {
            let store = Arc::clone(self.router.current());
            let begun = Instant::now();
            let refused = match work(store).await {
                Err(error) if error.kind() == ErrorKind::Locked => error,
                done => return done,
            };
            let held = self.router.authority(begun, deadline).await?;
            // Once more by an authority: it may have become one only after it refused.
            if refused_by.is_some_and(|before| held.is_same(&before)) {
                return Err(refused);
            }
            refused_by = Some(held);
        }
    }
}

// A wrapper that leaves a method to its default answers for itself instead of for
// the store that it wraps.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl StorageStrategy for RoutedStrategy {
    fn location(&self) -> &str {
        self.router.current().location()
    }

    fn foreign(&self) -> Option<&str> {
        self.router.current().foreign()
    }

    async fn invents_versions(&self) -> Result<bool> {
        self.router.current().invents_versions().await
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.router.current().physical_identity().await
    }

    async fn unfinished_job_afresh(&self) -> Result<Option<UnfinishedJob>> {
        self.router.current().unfinished_job_afresh().await
    }

    fn capabilities(&self) -> &Capabilities {
        self.router.capabilities()
    }

    async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.write(|store| async move { store.prepare(schemas).await }).await
    }

    async fn prepare_for_load(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.write(|store| async move { store.prepare_for_load(schemas).await }).await
    }

    async fn upgrade_layout(&self) -> Result<Option<u32>> {
        self.write(|store| async move { store.upgrade_layout().await }).await
    }

    async fn check_prepare(&self, schemas: &[CollectionSchema]) -> Result<()> {
        self.router.current().check_prepare(schemas).await
    }

    async fn collections(&self) -> Result<Vec<CollectionName>> {
        self.read(|store| async move { store.collections().await }).await
    }

    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        self.read(|store| async move { store.get_many(collection, ids).await }).await
    }

    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page> {
        self.read(|store| async move { store.query(collection, query).await }).await
    }

    async fn analyze(&self, collection: &CollectionName, query: &Query) -> Result<QueryAnalysis> {
        self.read(|store| async move { store.analyze(collection, query).await }).await
    }

    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        self.read(|store| async move { store.count(collection, filter, consistency).await }).await
    }

    async fn aggregate(
        &self,
        collection: &CollectionName,
        aggregation: &Aggregation,
    ) -> Result<Aggregates> {
        self.read(|store| async move { store.aggregate(collection, aggregation).await }).await
    }

    async fn scan(
        &self,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        self.read(|store| async move { store.scan(collection, options).await }).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        self.write(|store| {
            let writes = writes.clone();
            async move { store.commit(writes).await }
        })
        .await
    }

    async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>> {
        self.write(|store| {
            let records = records.clone();
            async move { store.apply(records).await }
        })
        .await
    }

    async fn purge(&self, collection: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        self.write(|store| async move { store.purge(collection, older_than).await }).await
    }

    async fn oldest_transaction(&self) -> Result<Option<OpenTransaction>> {
        self.router.current().oldest_transaction().await
    }

    async fn state_mark(&self) -> Result<Option<StateMark>> {
        self.router.current().state_mark().await
    }

    async fn token(&self) -> Result<Token> {
        self.read(|store| async move { store.token().await }).await
    }

    async fn store_record(&self) -> Result<StoreRecord> {
        self.read(|store| async move { store.store_record().await }).await
    }

    async fn update_store_record(&self, update: StoreUpdate) -> Result<StoreRecord> {
        if matches!(update, StoreUpdate::Role(_)) {
            return Err(unsupported("change the role of the store", self.location()));
        }
        self.write(|store| {
            let update = update.clone();
            async move { store.update_store_record(update).await }
        })
        .await
    }

    async fn checkpoint(&self) -> Result<()> {
        self.router.current().checkpoint().await
    }

    async fn health(&self, depth: &HealthDepth) -> Result<Health> {
        self.router.current().health(depth).await
    }

    async fn close(&self) -> Result<()> {
        let mut closed = Ok(());
        for store in self.router.stores() {
            closed = closed.and(store.close().await);
        }
        closed
    }

    async fn changes(&self, after: Option<&FeedPosition>, most: NonZeroUsize) -> Result<Changes> {
        self.read(|store| async move { store.changes(after, most).await }).await
    }

    async fn head(&self) -> Result<FeedPosition> {
        self.read(|store| async move { store.head().await }).await
    }

    async fn trim_changes(&self, through: &FeedPosition) -> Result<()> {
        self.write(|store| async move { store.trim_changes(through).await }).await
    }

    async fn system_item(&self, collection: SystemCollection, key: &str) -> Result<Option<String>> {
        self.read(|store| async move { store.system_item(collection, key).await }).await
    }

    async fn system_items(
        &self,
        collection: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Result<Vec<SystemItem>> {
        self.read(|store| async move { store.system_items(collection, prefix, after, most).await })
            .await
    }

    async fn write_system_items(&self, writes: Vec<SystemWrite>) -> Result<()> {
        self.write(|store| {
            let writes = writes.clone();
            async move { store.write_system_items(writes).await }
        })
        .await
    }

    async fn older_versions(
        &self,
        collection: &CollectionName,
        of: &[OlderThan],
        most: NonZeroUsize,
    ) -> Result<Vec<OlderVersion>> {
        self.read(|store| async move { store.older_versions(collection, of, most).await }).await
    }

    async fn write_versions(
        &self,
        collection: &CollectionName,
        writes: Vec<VersionWrite>,
    ) -> Result<Vec<Applied>> {
        self.write(|store| {
            let writes = writes.clone();
            async move { store.write_versions(collection, writes).await }
        })
        .await
    }

    async fn attributions(
        &self,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> Result<Vec<Option<Attribution>>> {
        self.read(|store| async move { store.attributions(collection, of).await }).await
    }

    async fn scrub(&self, collection: &CollectionName, ids: &[EntityId]) -> Result<Vec<Remnant>> {
        self.write(|store| async move { store.scrub(collection, ids).await }).await
    }
}
