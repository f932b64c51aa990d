//! The history of one collection, and whether it is kept.

use std::fmt;
use std::sync::Arc;

use repo_core::strategy::{HistoryState, Retention, StorageStrategy, StoreUpdate, no_history};
use repo_core::{Clock, CollectionName, ErrorKind, Result, SystemClock};

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
        let begun = self.kept().await?;
        let now = self.clock.now();
        let change = |kept: Option<HistoryState>| {
            let since = kept.map_or(now, |kept| kept.since);
            Some(HistoryState::new(since).with_retention(retention))
        };
        self.change(change).await?;
        if begun.is_none() {
            // The store may have waited for writes that nobody kept.
            let since = self.clock.now();
            let later = |kept: Option<HistoryState>| {
                kept.map(|kept| HistoryState::new(since).with_retention(kept.retention))
            };
            self.change(later).await?;
        }
        self.state().await
    }

    /// Keeps nothing any more, and removes everything that was kept, and the tags.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub async fn end(&self) -> Result<()> {
        self.change(|_| None).await?;
        self.remove_all_tags().await
    }

    /// Refuses what a live migration would not carry over, before anything is done.
    pub(crate) async fn refuse_moving(&self, operation: &'static str) -> Result<()> {
        let role = self.store.store_record().await?.role;
        role.check_idle(operation, self.store.location())?;
        role.check_commit(operation, self.store.location())
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

    /// Replaces the state that is stored, whoever else changes it meanwhile; what is
    /// stored then.
    pub(crate) async fn change(
        &self,
        next: impl Fn(Option<HistoryState>) -> Option<HistoryState>,
    ) -> Result<Option<HistoryState>> {
        loop {
            let expected = self.kept().await?;
            let history = next(expected);
            if history == expected {
                return Ok(expected);
            }
            let collection = self.collection.clone();
            let update = StoreUpdate::History { collection, expected, history };
            match self.store.update_store_record(update).await {
                Ok(record) => return Ok(record.history.get(&self.collection).copied()),
                Err(error) if error.kind() != ErrorKind::Locked => return Err(error),
                Err(error) if self.kept().await? == expected => return Err(error),
                Err(_) => {}
            }
        }
    }
}
