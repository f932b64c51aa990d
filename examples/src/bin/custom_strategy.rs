//! A storage strategy of your own, without touching the engine.
//!
//! `audit` keeps records as another strategy does and writes a line for each
//! acknowledged write. It is registered like the built-in ones and chosen by
//! `storage.strategy`.
//!
//! ```text
//! cargo run --bin custom_strategy
//! ```
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::read_settings;
use repo_core::strategy::{
    Applied, Capabilities, MemoryFactory, MigrationState, OpenOptions, PhysicalIdentity, Prepared,
    Purged, Record, RecordStream, Registry, ScanOptions, StateMark, StorageStrategy,
    StorageStrategyExt as _, StoreRecord, StoreUpdate, StrategyFactory,
};
use repo_core::{
    CollectionName, CollectionSchema, Consistency, Document, EntityId, Filter, Health, HealthDepth,
    Key, Page, Query, Result, Timestamp, Write, Written,
};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// The settings under `storage.audit_strategy`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AuditSettings {
    /// What each line begins with.
    prefix: String,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { prefix: "audit".to_owned() }
    }
}

#[derive(Debug)]
struct AuditFactory;

#[async_trait]
impl StrategyFactory for AuditFactory {
    fn name(&self) -> &'static str {
        "audit"
    }

    fn summary(&self) -> &'static str {
        "memory, with a line for each acknowledged write"
    }

    fn settings_key(&self) -> &'static str {
        "audit_strategy"
    }

    fn check(&self, settings: &Json) -> Result<()> {
        read_settings::<AuditSettings>("storage.audit_strategy", settings).map(|_| ())
    }

    fn settings_schema(&self) -> Json {
        json!({
            "type": "object",
            "properties": { "prefix": { "type": "string", "default": "audit" } },
            "additionalProperties": false
        })
    }

    fn settings_from_url(&self, url: &str) -> Result<Option<Json>> {
        Ok(url.strip_prefix("audit:").map(|prefix| json!({ "prefix": prefix })))
    }

    async fn open(
        &self,
        settings: &Json,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let settings: AuditSettings = read_settings("storage.audit_strategy", settings)?;
        let inner = MemoryFactory.open(&json!({}), options).await?;
        Ok(Arc::new(AuditStrategy { inner, prefix: settings.prefix }))
    }
}

/// Hands every call on, and reports what was written.
#[derive(Debug)]
struct AuditStrategy {
    inner: Arc<dyn StorageStrategy>,
    prefix: String,
}

// A wrapper that leaves a method to its default answers for itself instead of for
// the store that it wraps.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl StorageStrategy for AuditStrategy {
    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        let keys: Vec<Key> = writes.iter().map(|write| write.key.clone()).collect();
        let written = self.inner.commit(writes).await?;
        for (key, answer) in keys.iter().zip(&written) {
            if let Some(version) = answer.version() {
                println!("{}: {key} is now at version {version}", self.prefix);
            }
        }
        Ok(written)
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

#[tokio::main]
async fn main() -> Result<()> {
    let registry = Registry::new().with(MemoryFactory).with(AuditFactory);
    let settings = json!({ "prefix": "saved" });
    let store = registry.get("audit")?.open(&settings, OpenOptions::default()).await?;

    let notes: CollectionName = "notes".parse()?;
    store.prepare(&[CollectionSchema::undeclared(notes.clone())]).await?;
    let key = Key::new(notes, "note-1".parse()?);
    store.create(key.clone(), Document::parse(r#"{"id": "note-1", "text": "hello"}"#)?).await?;
    store.save(key.clone(), Document::parse(r#"{"id": "note-1", "text": "again"}"#)?).await?;
    store.delete(key).await?;
    store.close().await
}
