//! Where things are kept.

use std::sync::Arc;

use repo_blob::BlobStore;
use repo_core::{CollectionName, CollectionSchema, Result};

/// Where things are kept.
#[derive(Clone)]
pub(super) enum Place {
    /// In their records.
    Records,
    /// In blobs.
    Blobs(Arc<dyn BlobStore>),
}

/// The names of the two collections: records, and blobs without one.
#[derive(Debug, Clone)]
pub(super) struct Collections {
    pub(super) records: CollectionName,
    pub(super) loose: CollectionName,
}

impl Collections {
    pub(super) fn new(name: &str) -> Result<Self> {
        let records = CollectionName::new(name)?;
        Ok(Self { records, loose: CollectionName::new(&format!("{name}_blobs"))? })
    }

    pub(super) fn schemas(&self) -> Result<Vec<CollectionSchema>> {
        let records = CollectionSchema::builder(self.records.as_str(), "id").build()?;
        let loose = CollectionSchema::builder(self.loose.as_str(), "id").index(&["since"]);
        Ok(vec![records, loose.build()?])
    }
}
