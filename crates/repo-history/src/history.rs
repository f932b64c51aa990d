//! The history of one collection, and whether it is kept.

use std::fmt;
use std::sync::Arc;

use repo_core::strategy::{HistoryState, Retention, StorageStrategy, StoreUpdate, no_history};
use repo_core::{Clock, CollectionName, Result, SystemClock};

/// The history of one collection of a store.
#[derive(Clone)]
pub struct History {
    pub(crate) store: Arc<dyn StorageStrategy>,
    pub(crate) collection: CollectionName,
    pub(crate) clock: Arc<dyn Clock>,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("store", &self.store.location())
            .field("collection", &self.collection)
            .finish_non_exhaustive()
    }
}

impl History {
    /// The history of this collection.
    #[must_use]
    pub fn of(store: Arc<dyn StorageStrategy>, collection: CollectionName) -> Self {
        Self { store, collection, clock: Arc::new(SystemClock) }
    }

    /// The same with another clock, which says when the history begins and how old a
    /// version is.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Keeps what is replaced from now on. Where history is kept already only the
    /// retention changes.
    ///
    /// # Errors
    /// `Unsupported` for a store that keeps none; `NotFound` for a collection that
    /// was never prepared; `Unavailable` while others write without a pause.
    pub async fn begin(&self, retention: Retention) -> Result<HistoryState> {
        match self.kept().await? {
            Some(kept) => {
                self.set(Some(HistoryState::new(kept.since).with_retention(retention))).await?;
            }
            None => {
                let asked = HistoryState::new(self.clock.now()).with_retention(retention);
                self.set(Some(asked)).await?;
                // The store may have waited for writes that nobody kept.
                let since = self.clock.now();
                self.set(Some(HistoryState::new(since).with_retention(retention))).await?;
            }
        }
        self.state().await
    }

    /// Keeps nothing any more, and removes everything that was kept, and the tags.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub async fn end(&self) -> Result<()> {
        self.set(None).await?;
        self.remove_all_tags().await
    }

    /// Since when the history is kept, and how long; `None` where it is not.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn kept(&self) -> Result<Option<HistoryState>> {
        Ok(self.store.store_record().await?.history.get(&self.collection).copied())
    }

    /// The same.
    ///
    /// # Errors
    /// `NotFound` where no history is kept; those of the store.
    pub async fn state(&self) -> Result<HistoryState> {
        let none = || no_history("read the history", &self.collection, self.store.location());
        self.kept().await?.ok_or_else(none)
    }

    pub(crate) async fn set(&self, history: Option<HistoryState>) -> Result<()> {
        let collection = self.collection.clone();
        self.store.update_store_record(StoreUpdate::History { collection, history }).await?;
        Ok(())
    }
}
