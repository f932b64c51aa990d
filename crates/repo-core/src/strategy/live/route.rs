//! Where a store has moved to.

use serde::{Deserialize, Serialize};

use crate::strategy::{LiveId, StoreId};

/// The store that took over from one that is
/// [`Retired`](crate::strategy::StoreRole::Retired). Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Route {
    /// Its [`location`](crate::strategy::StorageStrategy::location) as the migration
    /// named it. Another program may know it by another name.
    pub successor: String,
    /// Its id, by which a program knows that it opened the right one.
    pub store: StoreId,
    /// The live migration that moved the store.
    pub live: LiveId,
}

impl Route {
    /// The route to a store.
    #[must_use]
    pub fn new(successor: impl Into<String>, store: StoreId, live: LiveId) -> Self {
        Self { successor: successor.into(), store, live }
    }
}
