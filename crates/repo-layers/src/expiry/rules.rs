//! Which collections have a time to live, and what the time is.

use std::collections::BTreeMap;
use std::sync::Arc;

use repo_core::strategy::is_as_stored;
use repo_core::{Clock, CollectionName, Expiry, Schemas, Timestamp};

/// The collections with a time to live, and the clock that it is measured by.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    expiries: Arc<BTreeMap<CollectionName, Expiry>>,
    clock: Arc<dyn Clock>,
}

impl Rules {
    /// `None` where no collection has one.
    pub(super) fn of(schemas: &Schemas, clock: Arc<dyn Clock>) -> Option<Self> {
        let expiries: BTreeMap<_, _> = schemas
            .iter()
            .filter_map(|schema| Some((schema.collection.clone(), schema.expiry.clone()?)))
            .collect();
        (!expiries.is_empty()).then(|| Self { expiries: Arc::new(expiries), clock })
    }

    /// That of a collection; `None` where it has none, and where what is stored is asked for.
    pub(super) fn expiry(&self, collection: &CollectionName) -> Option<&Expiry> {
        if is_as_stored() { None } else { self.expiries.get(collection) }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }
}
