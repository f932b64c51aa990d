//! Who knows the files of an outside source.

use std::fmt;

use async_trait::async_trait;
use repo_core::Result;
use serde::{Deserialize, Serialize};

use crate::model::OutsideLocation;

/// A file of an outside source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideFile {
    /// Its name there, from the root of the bucket.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

/// Lists the files of a source when it is registered. A server gives one with the credentials
/// of the buckets on its allow-list.
#[async_trait]
pub trait SourceLister: fmt::Debug + Send + Sync {
    /// The files at a location that the allow-list lets through, at most `most`.
    ///
    /// # Errors
    /// What the source reports.
    async fn list(&self, location: &OutsideLocation, most: usize) -> Result<Vec<OutsideFile>>;
}
