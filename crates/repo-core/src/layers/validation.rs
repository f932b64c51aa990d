//! Validation of every written document against its collection's schema.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::strategy::{
    Applied, Capabilities, DocumentValidator, MigrationState, PhysicalIdentity, Prepared, Purged,
    Record, RecordStream, ScanOptions, StateMark, StorageStrategy, StoreRecord, StoreUpdate,
};
use crate::{
    Change, CollectionName, CollectionSchema, Consistency, Document, EntityId, Filter, Health,
    HealthDepth, Key, Page, Query, Result, Schemas, Timestamp, Write, Written,
};

/// Refuses documents that do not fit their collection's JSON Schema, before
/// the store sees them.
///
/// `commit` is checked; `apply` is not, since a copy brings what another store
/// accepted.
#[derive(Debug)]
pub struct ValidationLayer {
    inner: Arc<dyn StorageStrategy>,
    validators: HashMap<CollectionName, DocumentValidator>,
}

impl ValidationLayer {
    /// Puts validation around `inner`.
    ///
    /// # Errors
    /// `ConfigInvalid` when a schema cannot be compiled.
    pub fn new(inner: Arc<dyn StorageStrategy>, schemas: &Schemas) -> Result<Self> {
        let validators = schemas
            .iter()
            .map(|schema| Ok((schema.collection.clone(), DocumentValidator::new(schema)?)))
            .collect::<Result<_>>()?;
        Ok(Self { inner, validators })
    }

    fn check(&self, key: &Key, document: &Document) -> Result<()> {
        match self.validators.get(&key.collection) {
            Some(validator) => validator.check(document).map_err(|error| error.with("key", key)),
            None => Ok(()),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl StorageStrategy for ValidationLayer {
    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        for write in &writes {
            if let Change::Put(document) = &write.change {
                self.check(&write.key, document)?;
            }
        }
        self.inner.commit(writes).await
    }

    fn location(&self) -> &str {
        self.inner.location()
    }

    fn foreign(&self) -> Option<&str> {
        self.inner.foreign()
    }

    async fn invents_versions(&self) -> Result<bool> {
        self.inner.invents_versions().await
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.inner.physical_identity().await
    }

    async fn migration_state_afresh(&self) -> Result<Option<MigrationState>> {
        self.inner.migration_state_afresh().await
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.inner.prepare(schemas).await
    }

    async fn prepare_for_load(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.inner.prepare_for_load(schemas).await
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
        self.inner.query(collection, query).await
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
        self.inner.scan(collection, options).await
    }

    async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>> {
        self.inner.apply(records).await
    }

    async fn purge(&self, collection: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        self.inner.purge(collection, older_than).await
    }

    async fn state_mark(&self) -> Result<Option<StateMark>> {
        self.inner.state_mark().await
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

    async fn changes(&self, after: Option<&str>) -> Result<RecordStream> {
        self.inner.changes(after).await
    }

    async fn fence(&self, epoch: u64) -> Result<()> {
        self.inner.fence(epoch).await
    }
}
