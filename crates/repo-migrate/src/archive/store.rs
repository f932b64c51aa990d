//! An archive seen as a store that can be read: so that restoring one is a
//! migration like any other.

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{
    Applied, Capabilities, CollectionState, Prepared, Purged, Record, RecordBatch, RecordStream,
    ScanOptions, StorageStrategy, StoreRecord, StoreUpdate, check_records, level_by_key, level_of,
};
use repo_core::{
    Aggregates, Aggregation, CollectionName, CollectionSchema, Consistency, EntityId, Error,
    ErrorKind, Filter, Health, HealthCheck, HealthDepth, Page, Query, Result, Timestamp, Write,
    Written,
};

use crate::archive::Archive;

/// The records of an archive. Everything that writes is `Unsupported`.
#[derive(Debug)]
pub(crate) struct ArchivedStore {
    archive: Archive,
    location: String,
    capabilities: Capabilities,
}

impl ArchivedStore {
    pub(crate) fn new(archive: Archive) -> Self {
        let place = archive.absolute();
        Self {
            location: format!("archive:{}", place.display()),
            capabilities: Capabilities::new(usize::MAX)
                .with_durable(true)
                .with_multi_process(true)
                // Each segment would decompress the whole file.
                .with_max_scan_segments(1)
                .with_read_only(true),
            archive,
        }
    }

    fn refuse<T>(&self, operation: &'static str) -> Result<T> {
        Err(Error::new(ErrorKind::Unsupported, operation, "an archive is only read from its start")
            .with("store", &self.location)
            .hint("restore it into a store first"))
    }
}

#[async_trait]
impl StorageStrategy for ArchivedStore {
    fn location(&self) -> &str {
        &self.location
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
        Ok(self.archive.manifest().collections.iter().map(|entry| entry.name.clone()).collect())
    }

    /// Reads the file up to the last of the ids: for looking up a few.
    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        level_by_key(self, "get").await?;
        let mut found = vec![None; ids.len()];
        let mut left = ids.len();
        let mut batches = self.archive.records(collection, ScanOptions::default().batch_size)?;
        while left > 0
            && let Some(records) = batches.try_next().await?
        {
            for record in records {
                let places = ids.iter().zip(&mut found).filter(|(id, _)| *id == record.id());
                for (_, place) in places {
                    left -= usize::from(place.replace(record.clone()).is_none());
                }
            }
        }
        Ok(found)
    }

    async fn query(&self, _collection: &CollectionName, _query: &Query) -> Result<Page> {
        self.refuse("query")
    }

    async fn aggregate(
        &self,
        _collection: &CollectionName,
        _aggregation: &Aggregation,
    ) -> Result<Aggregates> {
        self.refuse("aggregate")
    }

    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        level_of(self, "count", consistency).await?;
        if *filter != Filter::default() {
            return self.refuse("count");
        }
        let entry = self.archive.entry(collection)?;
        Ok(entry.records.saturating_sub(entry.tombstones))
    }

    async fn scan(
        &self,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        level_of(self, "scan", options.consistency).await?;
        let batches = self.archive.records(collection, options.batch_size)?;
        Ok(batches
            .map_ok(move |mut records| {
                records.retain(|record| options.segment.contains(record.id()));
                RecordBatch::from(records)
            })
            .try_filter(|batch| std::future::ready(!batch.is_empty()))
            .boxed())
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

    async fn store_record(&self) -> Result<StoreRecord> {
        let state = |entry: &crate::archive::ArchivedCollection| {
            let (schema_version, floor) = (entry.schema_version, entry.floor);
            (entry.name.clone(), CollectionState::new(schema_version, floor))
        };
        let collections = &self.archive.manifest().collections;
        let history = |entry: &crate::archive::ArchivedCollection| {
            Some((entry.name.clone(), entry.history.as_ref()?.state()))
        };
        Ok(StoreRecord::new(self.archive.manifest().format_version)
            .with_collections(collections.iter().map(state).collect())
            .with_history(collections.iter().filter_map(history).collect()))
    }

    async fn update_store_record(&self, _update: StoreUpdate) -> Result<StoreRecord> {
        self.refuse("update the store's record")
    }

    async fn checkpoint(&self) -> Result<()> {
        Ok(())
    }

    async fn health(&self, depth: &HealthDepth) -> Result<Health> {
        let detail = "the manifest is whole".to_owned();
        let mut checks = vec![HealthCheck::new("manifest", true, detail)];
        if let HealthDepth::Deep(progress) = depth {
            checks.extend(check_records(self, progress).await);
        }
        Ok(Health::new(checks))
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
