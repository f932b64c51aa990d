//! The stores of blobs of a service, by their names.

use std::collections::BTreeMap;
use std::sync::Arc;

use repo_blob::BlobStore;
use repo_core::{Error, ErrorKind, Result};

use crate::model::StoreName;

/// The stores of blobs that a service is configured with. New blobs go into the default one.
#[derive(Debug, Clone)]
pub struct BlobStores {
    by_name: BTreeMap<StoreName, Arc<dyn BlobStore>>,
    default: StoreName,
}

impl BlobStores {
    /// One store, the default.
    #[must_use]
    pub fn new(name: StoreName, store: Arc<dyn BlobStore>) -> Self {
        Self { by_name: BTreeMap::from([(name.clone(), store)]), default: name }
    }

    /// Adds another one, or replaces that of the same name.
    #[must_use]
    pub fn with(mut self, name: StoreName, store: Arc<dyn BlobStore>) -> Self {
        self.by_name.insert(name, store);
        self
    }

    /// The name of the default store.
    #[must_use]
    pub fn default_name(&self) -> &StoreName {
        &self.default
    }

    /// A store.
    ///
    /// # Errors
    /// `ConfigInvalid` for a name that is not configured.
    pub fn get(&self, name: &StoreName) -> Result<&Arc<dyn BlobStore>> {
        self.by_name.get(name).ok_or_else(|| {
            let why = "a store of blobs is not configured, and there are blobs in it";
            Error::new(ErrorKind::ConfigInvalid, "find a store of blobs", why)
                .with("store", name)
                .hint("add it to the configuration under this name")
        })
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&StoreName, &Arc<dyn BlobStore>)> {
        self.by_name.iter()
    }
}
