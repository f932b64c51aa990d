//! The leases of one store.

use std::sync::Arc;

use repo_core::strategy::StorageStrategy;
use repo_core::{Clock, Result, SystemClock};

use crate::clock::{MonotonicClock, SystemMonotonicClock};
use crate::holder::HolderName;
use crate::keys::schemas;
use crate::observed::Observations;

/// The leases of one store. Cheap to clone; clones share what they have observed.
#[derive(Debug, Clone)]
pub struct Leases {
    pub(crate) store: Arc<dyn StorageStrategy>,
    /// For people: when a lease was acquired and renewed.
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) monotonic: Arc<dyn MonotonicClock>,
    pub(crate) holder: HolderName,
    pub(crate) observed: Arc<Observations>,
}

impl Leases {
    /// The leases of a store, held in the name of this process.
    #[must_use]
    pub fn new(store: Arc<dyn StorageStrategy>) -> Self {
        Self {
            store,
            clock: Arc::new(SystemClock),
            monotonic: Arc::new(SystemMonotonicClock::default()),
            holder: HolderName::of_this_process(),
            observed: Arc::default(),
        }
    }

    /// Held in another name, which others are told.
    #[must_use]
    pub fn with_holder(mut self, holder: HolderName) -> Self {
        self.holder = holder;
        self
    }

    /// With another clock for the times that people read.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With another clock for the time that a lease is not renewed. What was observed before
    /// is forgotten.
    #[must_use]
    pub fn with_monotonic_clock(mut self, clock: Arc<dyn MonotonicClock>) -> Self {
        self.monotonic = clock;
        self.observed = Arc::default();
        self
    }

    /// Makes the collections of the leases in the store. Safe to repeat; a program that hands
    /// [`schemas`] to its store when it opens it need not.
    ///
    /// # Errors
    /// As [`StorageStrategy::prepare`].
    pub async fn prepare(&self) -> Result<()> {
        self.store.prepare(&schemas()?).await.map(drop)
    }
}
