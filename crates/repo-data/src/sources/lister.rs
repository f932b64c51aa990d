//! Who knows the files of an outside source.

use std::fmt;

use async_trait::async_trait;
use repo_core::Result;

use crate::model::{OutsideFile, OutsideLocation};

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
