//! A routed store is a store like the others, as long as it does not move.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{OpenOptions, StorageStrategy};
use repo_core::{Key, Result};
use repo_routed::{NoRoutes, RoutedStrategy, RoutingOptions};
use repo_testkit::{MemoryPlace, Place};

#[derive(Debug, Default)]
struct RoutedPlace(MemoryPlace);

#[async_trait]
impl Place for RoutedPlace {
    async fn open(&self, options: OpenOptions) -> Result<Arc<dyn StorageStrategy>> {
        let store = self.0.open(options).await?;
        let store = RoutedStrategy::open(store, NoRoutes, RoutingOptions::default()).await?;
        Ok(Arc::new(store))
    }

    async fn spoil(&self, key: &Key) -> bool {
        self.0.spoil(key).await
    }
}

repo_testkit::conformance!(routed_memory, || async { RoutedPlace::default() });
repo_testkit::differential!(routing_changes_nothing, || async { RoutedPlace::default() });
