//! The one place where calls are forwarded.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use repo_core::strategy::{
    Applied, Capabilities, Changes, FeedPosition, OlderThan, OlderVersion, OpenTransaction,
    PhysicalIdentity, Prepared, Purged, Record, RecordStream, Remnant, ScanOptions, StateMark,
    StorageStrategy, StoreRecord, StoreUpdate, SystemCollection, SystemItem, SystemWrite,
    UnfinishedJob, VersionWrite,
};
use repo_core::{
    Aggregates, Aggregation, Attribution, CollectionName, CollectionSchema, Consistency, EntityId,
    Filter, Health, HealthDepth, Page, Query, QueryAnalysis, Result, Timestamp, Token, Version,
    Write, Written,
};

use crate::{Layer, Layered};

// A wrapper that leaves a method to its default answers for itself instead of for
// the store that it wraps.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<L: Layer> StorageStrategy for Layered<L> {
    fn location(&self) -> &str {
        self.layer.location(&self.inner)
    }

    fn foreign(&self) -> Option<&str> {
        self.layer.foreign(&self.inner)
    }

    async fn invents_versions(&self) -> Result<bool> {
        self.layer.invents_versions(&self.inner).await
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.layer.physical_identity(&self.inner).await
    }

    async fn unfinished_job_afresh(&self) -> Result<Option<UnfinishedJob>> {
        self.layer.unfinished_job_afresh(&self.inner).await
    }

    fn capabilities(&self) -> &Capabilities {
        self.layer.capabilities(&self.inner)
    }

    async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.layer.prepare(&self.inner, schemas).await
    }

    async fn prepare_for_load(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.layer.prepare_for_load(&self.inner, schemas).await
    }

    async fn upgrade_layout(&self) -> Result<Option<u32>> {
        self.layer.upgrade_layout(&self.inner).await
    }

    async fn check_prepare(&self, schemas: &[CollectionSchema]) -> Result<()> {
        self.layer.check_prepare(&self.inner, schemas).await
    }

    async fn collections(&self) -> Result<Vec<CollectionName>> {
        self.layer.collections(&self.inner).await
    }

    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        self.layer.get_many(&self.inner, collection, ids).await
    }

    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page> {
        self.layer.query(&self.inner, collection, query).await
    }

    async fn analyze(&self, collection: &CollectionName, query: &Query) -> Result<QueryAnalysis> {
        self.layer.analyze(&self.inner, collection, query).await
    }

    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        self.layer.count(&self.inner, collection, filter, consistency).await
    }

    async fn aggregate(
        &self,
        collection: &CollectionName,
        aggregation: &Aggregation,
    ) -> Result<Aggregates> {
        self.layer.aggregate(&self.inner, collection, aggregation).await
    }

    async fn scan(
        &self,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        self.layer.scan(&self.inner, collection, options).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        self.layer.commit(&self.inner, writes).await
    }

    async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>> {
        self.layer.apply(&self.inner, records).await
    }

    async fn purge(&self, collection: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        self.layer.purge(&self.inner, collection, older_than).await
    }

    async fn oldest_transaction(&self) -> Result<Option<OpenTransaction>> {
        self.layer.oldest_transaction(&self.inner).await
    }

    async fn state_mark(&self) -> Result<Option<StateMark>> {
        self.layer.state_mark(&self.inner).await
    }

    async fn token(&self) -> Result<Token> {
        self.layer.token(&self.inner).await
    }

    async fn store_record(&self) -> Result<StoreRecord> {
        self.layer.store_record(&self.inner).await
    }

    async fn update_store_record(&self, update: StoreUpdate) -> Result<StoreRecord> {
        self.layer.update_store_record(&self.inner, update).await
    }

    async fn checkpoint(&self) -> Result<()> {
        self.layer.checkpoint(&self.inner).await
    }

    async fn health(&self, depth: &HealthDepth) -> Result<Health> {
        self.layer.health(&self.inner, depth).await
    }

    async fn close(&self) -> Result<()> {
        self.layer.close(&self.inner).await
    }

    async fn changes(&self, after: Option<&FeedPosition>, most: NonZeroUsize) -> Result<Changes> {
        self.layer.changes(&self.inner, after, most).await
    }

    async fn head(&self) -> Result<FeedPosition> {
        self.layer.head(&self.inner).await
    }

    async fn trim_changes(&self, through: &FeedPosition) -> Result<()> {
        self.layer.trim_changes(&self.inner, through).await
    }

    async fn system_item(&self, collection: SystemCollection, key: &str) -> Result<Option<String>> {
        self.layer.system_item(&self.inner, collection, key).await
    }

    async fn system_items(
        &self,
        collection: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Result<Vec<SystemItem>> {
        self.layer.system_items(&self.inner, collection, prefix, after, most).await
    }

    async fn write_system_items(&self, writes: Vec<SystemWrite>) -> Result<()> {
        self.layer.write_system_items(&self.inner, writes).await
    }

    async fn older_versions(
        &self,
        collection: &CollectionName,
        of: &[OlderThan],
        most: NonZeroUsize,
    ) -> Result<Vec<OlderVersion>> {
        self.layer.older_versions(&self.inner, collection, of, most).await
    }

    async fn write_versions(
        &self,
        collection: &CollectionName,
        writes: Vec<VersionWrite>,
    ) -> Result<Vec<Applied>> {
        self.layer.write_versions(&self.inner, collection, writes).await
    }

    async fn attributions(
        &self,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> Result<Vec<Option<Attribution>>> {
        self.layer.attributions(&self.inner, collection, of).await
    }

    async fn scrub(&self, collection: &CollectionName, ids: &[EntityId]) -> Result<Vec<Remnant>> {
        self.layer.scrub(&self.inner, collection, ids).await
    }
}
