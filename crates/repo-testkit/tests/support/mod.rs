//! A strategy around the memory strategy that has limits, or one flaw.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use repo_core::strategy::{
    Applied, Capabilities, OpenOptions, Prepared, Purged, Record, RecordStream, ScanOptions,
    StorageStrategy, StoreRecord, StoreUpdate,
};
use repo_core::{
    Change, CollectionName, CollectionSchema, Consistency, EntityId, Error, ErrorKind, Filter,
    Health, HealthDepth, Page, Precondition, Query, Result, Timestamp, Write, Written,
};
use repo_testkit::{MemoryPlace, Place, Store};

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)]
pub(crate) enum Flaw {
    /// Nothing; it only has limits.
    None,
    /// A version precondition is not checked.
    VersionsUnchecked,
    /// An ordered page does not show its last entity.
    ShortPages,
    /// A scan leaves tombstones out.
    NoTombstones,
}

/// The memory strategy with the limits of a small store and one flaw.
#[derive(Debug)]
struct Flawed {
    inner: Store,
    capabilities: Capabilities,
    flaw: Flaw,
}

/// A place of such a store.
pub(crate) struct FlawedPlace(pub(crate) MemoryPlace, pub(crate) Flaw);

#[async_trait]
impl Place for FlawedPlace {
    async fn open(&self, options: OpenOptions) -> Result<Store> {
        let inner = self.0.open(options).await?;
        let capabilities = Capabilities {
            max_commit_keys: Some(100),
            max_commit_bytes: Some(4 << 20),
            max_scan_segments: 3,
            parallel_scan: true,
            indexes_after_load: false,
            multi_process: false,
            ..*inner.capabilities()
        };
        Ok(Arc::new(Flawed { inner, capabilities, flaw: self.1 }))
    }
}

impl Flawed {
    fn check_limits(&self, writes: &[Write]) -> Result<()> {
        let size = |write: &Write| match &write.change {
            Change::Put(document) => document.size(),
            _ => 0,
        };
        let bytes: usize = writes.iter().map(size).sum();
        if writes.len() > 100 || bytes > 4 << 20 {
            return Err(Error::new(ErrorKind::LimitExceeded, "commit", "the commit is too large"));
        }
        Ok(())
    }
}

#[async_trait]
impl StorageStrategy for Flawed {
    fn location(&self) -> &str {
        self.inner.location()
    }
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
    async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.inner.prepare(schemas).await
    }
    async fn upgrade_layout(&self) -> Result<Option<u32>> {
        self.inner.upgrade_layout().await
    }
    async fn check_prepare(&self, schemas: &[CollectionSchema]) -> Result<()> {
        self.inner.check_prepare(schemas).await
    }
    async fn collections(&self) -> Result<Vec<CollectionName>> {
        self.inner.collections().await
    }
    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        self.inner.get_many(collection, ids).await
    }
    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page> {
        let mut page = self.inner.query(collection, query).await?;
        if self.flaw == Flaw::ShortPages && page.next.is_some() && query.order().is_some() {
            page.entities.pop();
        }
        Ok(page)
    }
    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        self.inner.count(collection, filter, consistency).await
    }
    async fn scan(
        &self,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        let stream = self.inner.scan(collection, options).await?;
        if self.flaw != Flaw::NoTombstones {
            return Ok(stream);
        }
        let live = |batch: Vec<Record>| batch.into_iter().filter(Record::is_live).collect();
        let batches = stream.map(move |batch| batch.map(live));
        Ok(batches
            .filter(|batch: &Result<Vec<Record>>| {
                std::future::ready(batch.as_ref().map_or(true, |batch| !batch.is_empty()))
            })
            .boxed())
    }
    async fn commit(&self, mut writes: Vec<Write>) -> Result<Vec<Written>> {
        self.check_limits(&writes)?;
        for write in &mut writes {
            let by_version = matches!(write.precondition, Precondition::Version(_));
            if self.flaw == Flaw::VersionsUnchecked && by_version {
                write.precondition = Precondition::Exists;
            }
        }
        self.inner.commit(writes).await
    }
    async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>> {
        self.inner.apply(records).await
    }
    async fn purge(&self, collection: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        self.inner.purge(collection, older_than).await
    }
    async fn store_record(&self) -> Result<StoreRecord> {
        self.inner.store_record().await
    }
    async fn update_store_record(&self, update: StoreUpdate) -> Result<StoreRecord> {
        self.inner.update_store_record(update).await
    }
    async fn checkpoint(&self) -> Result<()> {
        self.inner.checkpoint().await
    }
    async fn health(&self, depth: &HealthDepth) -> Result<Health> {
        self.inner.health(depth).await
    }
    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
