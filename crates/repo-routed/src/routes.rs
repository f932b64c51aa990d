//! The places that a program may be sent to.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use repo_core::Result;
use repo_core::strategy::{Route, StorageStrategy};

/// Opens the successor of a store that has moved, among the places that the program itself
/// names.
#[async_trait]
pub trait Routes: fmt::Debug + Send + Sync + 'static {
    /// The store with the id of the route; `None` when the program names no such place.
    ///
    /// # Errors
    /// Those of opening a place. Another try may do better.
    async fn open(&self, route: &Route) -> Result<Option<Arc<dyn StorageStrategy>>>;
}

/// No other place: a store that has moved cannot be followed.
#[derive(Debug, Clone, Copy)]
pub struct NoRoutes;

#[async_trait]
impl Routes for NoRoutes {
    async fn open(&self, _route: &Route) -> Result<Option<Arc<dyn StorageStrategy>>> {
        Ok(None)
    }
}
