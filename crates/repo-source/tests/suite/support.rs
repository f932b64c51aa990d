//! A folder of another program.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use repo_core::strategy::{
    OpenOptions, Record, ScanOptions, StorageStrategy, StrategyFactory as _,
};
use repo_core::{CollectionName, CollectionSchema, EntityId, Error, Schemas};
use repo_source::FilesFactory;
use serde_json::json;

pub(crate) type Store = Arc<dyn StorageStrategy>;

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with one file.
    pub(crate) fn with(name: &str, text: &str) -> Self {
        let folder = Self::new();
        folder.write(name, text);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) async fn try_open(&self, options: OpenOptions) -> Result<Store, Error> {
        FilesFactory.open(&json!({ "base_path": self.0.path() }), options).await
    }

    pub(crate) async fn open(&self, schemas: Schemas) -> Store {
        self.try_open(reading(schemas)).await.unwrap()
    }

    pub(crate) async fn refused(&self, schemas: Schemas) -> Error {
        self.try_open(reading(schemas)).await.unwrap_err()
    }
}

pub(crate) fn reading(schemas: Schemas) -> OpenOptions {
    OpenOptions::default().with_read_only(true).with_schemas(Arc::new(schemas))
}

pub(crate) fn name(text: &str) -> CollectionName {
    CollectionName::new(text).unwrap()
}

pub(crate) fn id(text: &str) -> EntityId {
    EntityId::new(text).unwrap()
}

/// A collection `things` with ids in `id`, and this source.
pub(crate) fn things(source: &str) -> Schemas {
    Schemas::from_iter([schema("things", "id", source)])
}

pub(crate) fn schema(name: &str, id: &str, source: &str) -> CollectionSchema {
    let source = if source.is_empty() { String::new() } else { format!(r#","source":{source}"#) };
    CollectionSchema::parse(&format!(
        r#"{{"x-repository":{{"collection":"{name}","idField":"{id}","schemaVersion":2{source}}}}}"#
    ))
    .unwrap()
}

pub(crate) async fn try_scan(
    store: &Store,
    collection: &str,
    options: ScanOptions,
) -> Result<Vec<Record>, Error> {
    let batches = repo_testkit::batches(store.scan(&name(collection), options).await?).await?;
    assert!(batches.iter().all(|batch| !batch.is_empty()));
    assert!(batches.iter().all(|batch| batch.len() <= options.batch_size.get()));
    Ok(batches.concat())
}

/// The documents of a collection by id.
pub(crate) async fn documents(store: &Store, collection: &str) -> BTreeMap<String, String> {
    let records = try_scan(store, collection, ScanOptions::default()).await.unwrap();
    let count = records.len();
    let documents: BTreeMap<String, String> = records
        .iter()
        .map(|record| (record.id().to_string(), record.document().unwrap().to_string()))
        .collect();
    assert_eq!(documents.len(), count, "an id came twice");
    documents
}
