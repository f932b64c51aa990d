//! The stores that a router has opened: in the order in which it met them, and not given up
//! before the router is, so that what it lends of them stays.

use std::sync::Arc;

use repo_core::strategy::{Capabilities, StorageStrategy, StoreId};

/// The configured store, and those that were opened after it.
#[derive(Debug)]
pub(crate) struct Opened {
    stores: boxcar::Vec<(Option<StoreId>, Arc<dyn StorageStrategy>)>,
    /// What their capabilities were, without the fence: a role is changed at a store, not
    /// through a router.
    capabilities: boxcar::Vec<Capabilities>,
}

impl Opened {
    /// The configured store alone.
    pub(crate) fn new(configured: Arc<dyn StorageStrategy>) -> Self {
        let stores = boxcar::Vec::new();
        stores.push((None, configured));
        Self { stores, capabilities: boxcar::Vec::new() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn StorageStrategy>> {
        self.stores.iter().map(|(_, (_, store))| store)
    }

    /// The store at a place; the configured one where there is none.
    pub(crate) fn at(&self, place: usize) -> &Arc<dyn StorageStrategy> {
        &self.stores.get(place).unwrap_or(&self.stores[0]).1
    }

    /// The place of a store that was opened by its id.
    pub(crate) fn place_of(&self, id: StoreId) -> Option<usize> {
        self.stores.iter().find(|(_, (known, _))| *known == Some(id)).map(|(place, _)| place)
    }

    /// Adds a store, and gives its place.
    pub(crate) fn push(&self, id: StoreId, store: Arc<dyn StorageStrategy>) -> usize {
        self.stores.push((Some(id), store))
    }

    /// The capabilities of a store as they are now.
    pub(crate) fn capabilities(&self, of: &dyn StorageStrategy) -> &Capabilities {
        let now = of.capabilities().with_fence(false);
        let known = self.capabilities.iter().find(|(_, known)| **known == now);
        let place = known.map_or_else(|| self.capabilities.push(now), |(place, _)| place);
        &self.capabilities[place]
    }
}
