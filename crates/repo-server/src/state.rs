//! What every route shares.

use std::path::PathBuf;
use std::sync::Arc;

use repo_blob::{PageLimit, UrlSigner};
use repo_core::strategy::{OpenOptions, StorageStrategy};
use repo_core::{Clock, CollectionName, Filter, Schemas};
use repo_data::DataService;
use serde_json::Value;
use tokio::sync::watch;

use crate::auth::Gate;
use crate::config::ServerConfig;
use crate::outside::Buckets;

/// The store as it is opened, and the places that it may move to.
#[derive(Debug)]
pub struct Moving {
    /// The store itself.
    pub store: repo_engine::Chosen,
    /// The places, by `storage.routes`.
    pub routes: Vec<repo_engine::Chosen>,
    /// What each is opened with.
    pub options: OpenOptions,
}

/// What every route shares.
#[derive(Debug)]
pub struct App {
    /// The store, with its layers.
    pub store: Arc<dyn StorageStrategy>,
    /// The data service.
    pub data: DataService,
    /// Buckets that are not ours.
    pub buckets: Buckets,
    /// What signs URLs.
    pub signer: UrlSigner,
    /// The declared collections, the server's own among them.
    pub schemas: Arc<Schemas>,
    /// The door.
    pub gate: Arc<Gate>,
    /// Where the store may move to.
    pub moving: Moving,
    /// The folder of archives.
    pub archives: PathBuf,
    /// The section `server`.
    pub config: ServerConfig,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether the server is about to stop.
    pub stopping: watch::Receiver<bool>,
}

impl App {
    /// What `/health` says beyond the store: of the blobs, and how many datapoints there are.
    pub async fn more_health(&self) -> Vec<(&'static str, Value)> {
        let stores = self.data.blob_stores();
        let mut accessible = true;
        for (_, blobs) in stores.iter() {
            accessible &= blobs.list(None, PageLimit::clamped(1)).await.is_ok();
        }
        let total = self.data.count_datapoints(Filter::default()).await.ok();
        vec![("storage_accessible", Value::from(accessible)), ("total_datapoints", total.into())]
    }

    /// The id field of a collection, declared or not.
    #[must_use]
    pub fn schema(&self, collection: &CollectionName) -> repo_core::CollectionSchema {
        self.schemas.get(collection)
    }
}
