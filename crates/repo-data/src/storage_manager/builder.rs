//! Building a storage manager.

use std::fmt;
use std::sync::Arc;

use repo_blob::BlobStore;
use repo_core::strategy::StorageStrategy;
use repo_core::{Clock, Error, ErrorKind, Result, SystemClock};

use super::manager::StorageManager;
use super::places::{Collections, Place};

/// Collects the places of a storage manager.
#[must_use]
pub struct StorageManagerBuilder {
    store: Arc<dyn StorageStrategy>,
    collection: String,
    places: Vec<(String, Place)>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for StorageManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.places.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("StorageManagerBuilder")
            .field("collection", &self.collection)
            .field("places", &names)
            .finish_non_exhaustive()
    }
}

impl StorageManager {
    /// Begins a manager that keeps its records in a collection of a store. The store has to
    /// be opened with, and prepared for, the [schemas](Self::schemas) of the collection.
    pub fn builder(store: Arc<dyn StorageStrategy>, collection: &str) -> StorageManagerBuilder {
        let (collection, clock) = (collection.to_owned(), Arc::new(SystemClock));
        StorageManagerBuilder { store, collection, places: Vec::new(), clock }
    }
}

impl StorageManagerBuilder {
    /// Adds the store of records as a place. The place that is added first is used unless
    /// another one is asked for.
    pub fn records(mut self, name: &str) -> Self {
        self.places.push((name.to_owned(), Place::Records));
        self
    }

    /// Adds a store of blobs as a place.
    pub fn blobs(mut self, name: &str, blobs: Arc<dyn BlobStore>) -> Self {
        self.places.push((name.to_owned(), Place::Blobs(blobs)));
        self
    }

    /// Sets the clock; without this it is that of the system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The storage manager.
    ///
    /// # Errors
    /// `ConfigInvalid` without a place, and for two places of one name or one without a name;
    /// `Invalid` for a collection that cannot be.
    pub fn build(self) -> Result<StorageManager> {
        let collections = Collections::new(&self.collection)?;
        let refuse =
            |why: &str| Err(Error::new(ErrorKind::ConfigInvalid, "build a storage manager", why));
        if self.places.is_empty() {
            return refuse("there is no place");
        }
        for (at, (name, _)) in self.places.iter().enumerate() {
            if name.is_empty() {
                return refuse("a place has no name");
            }
            if self.places.iter().take(at).any(|(other, _)| other == name) {
                return refuse("two places have one name");
            }
        }
        Ok(StorageManager::assemble(self.store, collections, self.places.into(), self.clock))
    }
}
