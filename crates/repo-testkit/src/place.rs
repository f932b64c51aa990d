//! Where a store under test lives.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{OpenOptions, StorageStrategy};
use repo_core::{Key, Result};

/// An open store.
pub type Store = Arc<dyn StorageStrategy>;

/// A place where one store lives: a temporary folder, a schema of a database,
/// a table prefix. It is isolated from all others and removed on drop. What
/// was written stays as long as the place does, whatever is closed meanwhile.
#[async_trait]
pub trait Place: Send + Sync {
    /// Opens the store of this place. Called again, also while a handle is
    /// open, it opens the same store again; the suite does the latter only
    /// where [`Capabilities::multi_process`](repo_core::strategy::Capabilities) says so.
    ///
    /// # Errors
    /// Those of the strategy's factory: `NotFound` for a store opened
    /// read-only before anything was prepared.
    async fn open(&self, options: OpenOptions) -> Result<Store>;

    /// Spoils what is stored under a key, as a failing disk or another program
    /// would: it can no longer be read, and everything else can. No handle is
    /// open. `false`, and nothing changed, where nothing can be spoiled.
    async fn spoil(&self, _key: &Key) -> bool {
        false
    }
}
