//! [`StorageStrategy`] over what another program keeps: every read of the contract,
//! and no write.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use futures_util::TryStreamExt as _;

use super::reader::{ForeignReader, ReadFrom};
use crate::strategy::{
    Aggregator, Applied, Capabilities, CollectionState, Effort, OnUnreadable, PhysicalIdentity,
    Position, Prepared, Purged, Record, RecordStream, ScanOptions, Selector, StateMark,
    StorageStrategy, StoreRecord, StoreUpdate, check_records, level_by_key, level_of,
};
use crate::{
    Aggregates, Aggregation, CollectionName, CollectionSchema, Consistency, EntityId, Error,
    ErrorKind, Filter, GroupedBy, Health, HealthDepth, Page, Plan, Query, QueryAnalysis, Result,
    Timestamp, Write, Written,
};

/// What another program keeps.
#[derive(Debug)]
pub struct ForeignStrategy {
    reader: Box<dyn ForeignReader>,
    collections: BTreeMap<CollectionName, u32>,
    capabilities: Capabilities,
    on_unreadable: OnUnreadable,
}

impl ForeignStrategy {
    /// A store of what the reader reads. Its capabilities are these, and that it is only
    /// read.
    #[must_use]
    pub fn new(
        reader: impl ForeignReader + 'static,
        capabilities: Capabilities,
        on_unreadable: OnUnreadable,
    ) -> Self {
        let reader = Box::new(reader);
        let (collections, capabilities) = (reader.collections(), capabilities.with_read_only(true));
        Self { reader, collections, capabilities, on_unreadable }
    }

    /// What reads a collection that is there.
    fn of(
        &self,
        operation: &'static str,
        collection: &CollectionName,
    ) -> Result<&dyn ForeignReader> {
        self.reader.check_open(operation)?;
        match self.collections.contains_key(collection) {
            true => Ok(&*self.reader),
            false => Err(self.reader.unknown(operation, collection)),
        }
    }

    /// One page of a query, and what it takes.
    async fn page(&self, collection: &CollectionName, query: &Query) -> Result<(Page, Effort)> {
        let level = level_of(self, "query", query.consistency()).await?;
        let reader = self.of("query", collection)?;
        let mut selector = Selector::new(collection, query)?;
        let mut effort = Effort::default();
        let position = query.cursor().map(|c| c.position_in(collection, query)).transpose()?;
        let after = match position {
            Some(Position::Native(id)) => Some(EntityId::new(id)?),
            _ => None,
        };
        // In its own order a page ends early; an ordered one sees every record and
        // keeps a page of them.
        let from = ReadFrom::start(level).behind(after);
        let mut batches = reader.batches("query", collection, from).await?;
        'records: while let Some(batch) = batches.try_next().await? {
            for entity in batch.into_records()?.into_iter().filter_map(Record::into_live) {
                let matches = query.filter().matches(&entity.document);
                effort.look_at(matches);
                if matches && !selector.keep(entity) {
                    break 'records;
                }
            }
        }
        Ok((selector.finish(Plan::Scan, |last| last.id.to_string()), effort))
    }

    fn refuse<T>(&self, operation: &'static str) -> Result<T> {
        self.reader.check_open(operation)?;
        let why = "what is there belongs to another program and is only read";
        Err(Error::new(ErrorKind::Unsupported, operation, why)
            .with("store", self.location())
            .hint("migrate it into a store of this program, and write there"))
    }
}

#[async_trait]
impl StorageStrategy for ForeignStrategy {
    fn location(&self) -> &str {
        self.reader.location()
    }

    fn foreign(&self) -> Option<&str> {
        Some(self.reader.words())
    }

    async fn invents_versions(&self) -> Result<bool> {
        self.reader.check_open("look for versions")?;
        Ok(true)
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.reader.physical_identity().await
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn prepare(&self, _schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.refuse("prepare")
    }

    async fn check_prepare(&self, _schemas: &[CollectionSchema]) -> Result<()> {
        self.refuse("prepare")
    }

    async fn collections(&self) -> Result<Vec<CollectionName>> {
        self.reader.check_open("collections")?;
        Ok(self.collections.keys().cloned().collect())
    }

    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        level_by_key(self, "get").await?;
        let records = self.of("get", collection)?.get(collection, ids).await?;
        let by_id = records.into_iter().map(|record| (record.id().clone(), record));
        let found: HashMap<EntityId, Record> = by_id.collect();
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page> {
        Ok(self.page(collection, query).await?.0)
    }

    async fn analyze(&self, collection: &CollectionName, query: &Query) -> Result<QueryAnalysis> {
        let (page, effort) = self.page(collection, query).await?;
        Ok(QueryAnalysis::counted(&page, effort))
    }

    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        let consistency = level_of(self, "count", consistency).await?;
        let reader = self.of("count", collection)?;
        if filter.is_all() {
            return reader.count(collection, consistency).await;
        }
        let from = ReadFrom::start(consistency);
        let mut batches = reader.batches("count", collection, from).await?;
        let mut matching = 0;
        while let Some(batch) = batches.try_next().await? {
            let records = batch.into_records()?;
            let matches = |record: &&Record| record.document().is_some_and(|d| filter.matches(d));
            matching += records.iter().filter(matches).count() as u64;
        }
        Ok(matching)
    }

    async fn aggregate(
        &self,
        collection: &CollectionName,
        aggregation: &Aggregation,
    ) -> Result<Aggregates> {
        let level = level_of(self, "aggregate", aggregation.consistency()).await?;
        let reader = self.of("aggregate", collection)?;
        let mut groups = Aggregator::new(collection, aggregation);
        // In one go: what is read in pages may have to be read from its start for each.
        let from = ReadFrom::start(level);
        let mut batches = reader.batches("aggregate", collection, from).await?;
        while let Some(batch) = batches.try_next().await? {
            for record in batch.into_records()? {
                record.document().map_or(Ok(()), |document| groups.offer(document))?;
            }
        }
        groups.finish(GroupedBy::Engine)
    }

    async fn scan(
        &self,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        let level = level_of(self, "scan", options.consistency).await?;
        let options = options.with_consistency(level);
        let from = ReadFrom::scan(options, self.on_unreadable);
        self.of("scan", collection)?.batches("scan", collection, from).await
    }

    async fn commit(&self, _writes: Vec<Write>) -> Result<Vec<Written>> {
        self.refuse("commit")
    }

    async fn apply(&self, _records: Vec<Record>) -> Result<Vec<Applied>> {
        self.refuse("apply")
    }

    async fn purge(&self, _collection: &CollectionName, _older_than: Timestamp) -> Result<Purged> {
        self.refuse("purge")
    }

    async fn state_mark(&self) -> Result<Option<StateMark>> {
        self.reader.check_open("read the state of the store")?;
        self.reader.state_mark().await
    }

    async fn store_record(&self) -> Result<StoreRecord> {
        self.reader.check_open("read the store's record")?;
        // What is there is read by these schemas, so it is of their versions.
        let state = |(name, version): (&CollectionName, &u32)| {
            (name.clone(), CollectionState::new(*version, 0))
        };
        Ok(StoreRecord::new(0).with_collections(self.collections.iter().map(state).collect()))
    }

    async fn update_store_record(&self, _update: StoreUpdate) -> Result<StoreRecord> {
        self.refuse("update the store's record")
    }

    async fn checkpoint(&self) -> Result<()> {
        self.refuse("checkpoint")
    }

    async fn health(&self, depth: &HealthDepth) -> Result<Health> {
        self.reader.check_open("health")?;
        let mut checks = self.reader.health().await?;
        if let HealthDepth::Deep(progress) = depth
            && checks.iter().all(|check| check.ok)
        {
            checks.extend(check_records(self, progress).await);
        }
        Ok(Health::new(checks))
    }

    async fn close(&self) -> Result<()> {
        self.reader.close().await;
        Ok(())
    }
}
