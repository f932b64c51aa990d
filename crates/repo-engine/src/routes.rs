//! The places that a store may move to, as the program names them.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::Result;
use repo_core::strategy::{OpenOptions, Route, StorageStrategy};
use repo_routed::{RoutedStrategy, Routes, RoutingOptions};

use crate::chosen::Chosen;

/// Stores that are chosen, and opened once a route leads to one of them.
#[derive(Debug)]
struct NamedPlaces {
    places: Vec<Chosen>,
    options: OpenOptions,
}

#[async_trait]
impl Routes for NamedPlaces {
    async fn open(&self, route: &Route) -> Result<Option<Arc<dyn StorageStrategy>>> {
        let mut failed = None;
        for place in &self.places {
            match self.open_one(place, route).await {
                Ok(Some(store)) => return Ok(Some(store)),
                Ok(None) => {}
                // Another place may be the one.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(None), Err)
    }
}

impl NamedPlaces {
    async fn open_one(
        &self,
        place: &Chosen,
        route: &Route,
    ) -> Result<Option<Arc<dyn StorageStrategy>>> {
        let store = place.open(self.options.clone()).await?;
        match store.store_record().await {
            Ok(record) if record.id == Some(route.store) => Ok(Some(store)),
            other => {
                store.close().await?;
                other.map(|_| None)
            }
        }
    }
}

/// Follows the store to the places, if there are any.
///
/// # Errors
/// As [`RoutedStrategy::open`].
pub(crate) async fn routed(
    store: Arc<dyn StorageStrategy>,
    places: Vec<Chosen>,
    options: OpenOptions,
) -> Result<Arc<dyn StorageStrategy>> {
    if places.is_empty() {
        return Ok(store);
    }
    let routes = NamedPlaces { places, options };
    let opened = Arc::clone(&store);
    match RoutedStrategy::open(store, routes, RoutingOptions::default()).await {
        Ok(routed) => Ok(Arc::new(routed)),
        Err(error) => {
            // Why it cannot be used says more than why it cannot be closed.
            let _ = opened.close().await;
            Err(error)
        }
    }
}
