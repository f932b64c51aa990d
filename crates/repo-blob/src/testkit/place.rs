//! Where a store under test is.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::Result;

use crate::key::BlobKey;
use crate::store::BlobStore;

/// A place where one store of blobs is: a temporary folder, a prefix in a bucket. Nobody else
/// uses it.
#[async_trait]
pub trait BlobPlace: Send + Sync {
    /// Opens the store. Called again it opens the same one, also while another handle is open.
    ///
    /// # Errors
    /// Those of opening.
    async fn open(&self) -> Result<Arc<dyn BlobStore>>;

    /// Flips a bit of a stored blob, as a failing disk would. `false`, and nothing changed,
    /// where that cannot be done.
    async fn spoil(&self, _key: &BlobKey) -> bool {
        false
    }

    /// How many files there are besides blobs: what is half written, parts. Nothing where that
    /// cannot be seen.
    async fn leftovers(&self) -> Option<usize> {
        None
    }

    /// How often a race is run.
    fn races(&self) -> u64 {
        4
    }

    /// How many blobs a test of lists writes.
    fn many(&self) -> usize {
        2_500
    }
}
