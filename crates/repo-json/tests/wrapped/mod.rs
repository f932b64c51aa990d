//! A place whose split files are wrapped in their collection's name. Files are
//! made plain, so another tool wraps each as soon as it is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use repo_core::strategy::{OpenOptions, PrepareChange, Prepared, StrategyFactory as _};
use repo_core::{CollectionName, CollectionSchema, Result};
use repo_json::JsonFactory;
use repo_layers::{Inner, Layer, Operation};
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
        let wrapped = Wrapped { inner: RwLock::new(Arc::clone(&inner)), folder, options };
        Ok(wrapped.around(inner))
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
}

impl Wrapped {
    fn inner(&self) -> Store {
        Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What another tool does with a new, empty file.
    fn wrap(&self, name: &CollectionName) {
        let path = self.folder.join(format!("{name}.json"));
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), "{}");
        let new = path.with_extension("new");
        fs::write(&new, format!("{{ \"{name}\" :\n\t{{ }} }}\n")).unwrap();
        fs::rename(&new, &path).unwrap();
    }
}

impl Layer for Wrapped {
    /// Goes to the handle that is open, not to the one that it began with.
    async fn call<O: Operation>(&self, _first: &Inner, operation: O) -> Result<O::Output> {
        operation.run(&*self.inner()).await
    }

    async fn prepare(&self, _first: &Inner, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        let prepared = self.inner().prepare(schemas).await?;
        let created: Vec<&Prepared> =
            prepared.iter().filter(|p| p.change == PrepareChange::Created).collect();
        if created.is_empty() {
            return Ok(prepared);
        }
        self.inner().close().await?;
        created.iter().for_each(|prepared| self.wrap(&prepared.collection));
        let schemas = self.options.schemas.iter().chain(schemas).cloned().collect();
        let options = self.options.clone().with_schemas(Arc::new(schemas));
        let reopened = open(&self.folder, options).await?;
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = reopened;
        Ok(prepared)
    }

    async fn prepare_for_load(
        &self,
        first: &Inner,
        schemas: &[CollectionSchema],
    ) -> Result<Vec<Prepared>> {
        self.prepare(first, schemas).await
    }

    async fn close(&self, _first: &Inner) -> Result<()> {
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
