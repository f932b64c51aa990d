//! A place whose split files are wrapped in their collection's name. Files are
//! made plain, so another tool wraps each as soon as it is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use repo_core::strategy::{
    Applied, Capabilities, OpenOptions, PrepareChange, Prepared, Purged, Record, RecordStream,
    ScanOptions, StorageStrategy, StoreRecord, StoreUpdate, StrategyFactory as _,
};
use repo_core::{
    CollectionName, CollectionSchema, Consistency, EntityId, Filter, Health, Page, Query, Result,
    Timestamp, Write, Written,
};
use repo_json::JsonFactory;
use repo_testkit::{Place, Store};
use serde_json::json;

/// A folder of its own.
pub(crate) struct WrappedPlace(tempfile::TempDir);

impl WrappedPlace {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait]
impl Place for WrappedPlace {
    async fn open(&self, options: OpenOptions) -> Result<Store> {
        let folder = self.0.path().join("store");
        let inner = open(&folder, options.clone()).await?;
        let location = inner.location().to_owned();
        let capabilities = *inner.capabilities();
        let inner = RwLock::new(inner);
        Ok(Arc::new(Wrapped { inner, folder, options, location, capabilities }))
    }
}

async fn open(folder: &Path, options: OpenOptions) -> Result<Store> {
    let settings =
        json!({ "storage_type": "split_files", "base_path": folder, "pretty_print": false });
    JsonFactory.open(&settings, options).await
}

#[derive(Debug)]
struct Wrapped {
    inner: RwLock<Store>,
    folder: PathBuf,
    options: OpenOptions,
    location: String,
    capabilities: Capabilities,
}

impl Wrapped {
    fn inner(&self) -> Store {
        Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What another tool does with a new, empty file.
    fn wrap(&self, name: &CollectionName) {
        let path = self.folder.join(format!("{name}.json"));
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), "{}");
        fs::write(&path, format!("{{ \"{name}\" :\n\t{{ }} }}\n")).unwrap();
    }
}

#[async_trait]
impl StorageStrategy for Wrapped {
    fn location(&self) -> &str {
        &self.location
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        let prepared = self.inner().prepare(schemas).await?;
        let created: Vec<&Prepared> =
            prepared.iter().filter(|p| p.change == PrepareChange::Created).collect();
        if created.is_empty() {
            return Ok(prepared);
        }
        self.inner().close().await?;
        created.iter().for_each(|prepared| self.wrap(&prepared.collection));
        let schemas = self.options.schemas.iter().chain(schemas).cloned().collect();
        let options = OpenOptions { schemas: Arc::new(schemas), ..self.options.clone() };
        let reopened = open(&self.folder, options).await?;
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = reopened;
        Ok(prepared)
    }

    async fn upgrade_layout(&self) -> Result<Option<u32>> {
        self.inner().upgrade_layout().await
    }

    async fn check_prepare(&self, schemas: &[CollectionSchema]) -> Result<()> {
        self.inner().check_prepare(schemas).await
    }

    async fn collections(&self) -> Result<Vec<CollectionName>> {
        self.inner().collections().await
    }

    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        self.inner().get_many(collection, ids).await
    }

    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page> {
        self.inner().query(collection, query).await
    }

    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        self.inner().count(collection, filter, consistency).await
    }

    async fn scan(
        &self,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        self.inner().scan(collection, options).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        self.inner().commit(writes).await
    }

    async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>> {
        self.inner().apply(records).await
    }

    async fn purge(&self, collection: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        self.inner().purge(collection, older_than).await
    }

    async fn store_record(&self) -> Result<StoreRecord> {
        self.inner().store_record().await
    }

    async fn update_store_record(&self, update: StoreUpdate) -> Result<StoreRecord> {
        self.inner().update_store_record(update).await
    }

    async fn checkpoint(&self) -> Result<()> {
        self.inner().checkpoint().await
    }

    async fn health(&self, depth: &repo_core::HealthDepth) -> Result<Health> {
        self.inner().health(depth).await
    }

    async fn close(&self) -> Result<()> {
        self.inner().close().await?;
        // The form is kept by every checkpoint.
        for entry in fs::read_dir(&self.folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let Some(name) = path.file_name().unwrap().to_str().unwrap().strip_suffix(".json")
            else {
                continue;
            };
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.replace([' ', '\n', '\t'], "").starts_with(&format!("{{\"{name}\":{{")));
        }
        Ok(())
    }
}
