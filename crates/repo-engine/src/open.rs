//! Opening a store, step by step.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use repo_core::strategy::{OpenOptions, Registry, StorageStrategyExt as _, StrategyFactory};
use repo_core::{Clock, CollectionSchema, Model, Result, RetryPolicy, Schemas};
use serde_json::Value as Json;

use crate::registry;
use crate::store::Store;

/// A store that is about to be opened; awaiting it opens it. Made by
/// [`Store::open`].
#[derive(Debug)]
#[must_use = "a store is opened when this is awaited"]
pub struct OpenStore {
    url: String,
    registry: Registry,
    schemas: Result<Schemas>,
    options: OpenOptions,
    retry: RetryPolicy,
}

impl Store {
    /// Opens the store of a URL: `json:DIR`, `sqlite:FILE`,
    /// `postgresql://USER@HOST/NAME`, `dynamodb:PREFIX` or `memory:`, as far as
    /// this build has their features. Awaiting what this returns opens it.
    ///
    /// What the collections need is made: a folder, a file, tables, indexes.
    /// What is there already stays.
    ///
    /// # Errors
    /// `ConfigInvalid` for a URL of no known kind, or schemas that cannot be;
    /// `Foreign` when something that is not ours stands in the place;
    /// `NotFound` for a store that does not exist and is opened
    /// [read-only](OpenStore::read_only); else what the store reports.
    pub fn open(url: impl Into<String>) -> OpenStore {
        OpenStore {
            url: url.into(),
            registry: registry(),
            schemas: Ok(Schemas::default()),
            options: OpenOptions::default(),
            retry: RetryPolicy::default(),
        }
    }
}

impl OpenStore {
    /// The collections, in place of those named before.
    pub fn schemas(mut self, schemas: Schemas) -> Self {
        self.schemas = Ok(schemas);
        self
    }

    /// Adds the collection of a model that declares its schema, as a derived one
    /// does.
    pub fn model<M: Model>(mut self) -> Self {
        self.schemas = self.schemas.and_then(Schemas::with::<M>);
        self
    }

    /// Opens for reading only: the store has to exist, and nothing is made.
    pub fn read_only(mut self) -> Self {
        self.options.read_only = true;
        self
    }

    /// Where timestamps come from; the clock of the system without this.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.options.clock = Arc::new(clock);
        self
    }

    /// Most bytes of one document; 380 KiB without this, which every store can
    /// hold.
    pub fn max_entity_bytes(mut self, bytes: usize) -> Self {
        self.options.max_entity_bytes = bytes;
        self
    }

    /// How often, and after what pauses, [`Store::transaction`] runs again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Adds a strategy of the program's own, which may take the name of another
    /// one.
    pub fn strategy(mut self, factory: impl StrategyFactory + 'static) -> Self {
        self.registry = self.registry.with(factory);
        self
    }

    async fn run(self) -> Result<Store> {
        let (factory, settings) = self.registry.by_url(&self.url)?;
        let (factory, schemas) = (Arc::clone(factory), self.schemas?);
        open_with(factory.as_ref(), &settings, schemas, self.options, self.retry).await
    }
}

impl IntoFuture for OpenStore {
    type Output = Result<Store>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Store>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Opens a store and makes what its collections need, unless it is opened for
/// reading only.
pub(crate) async fn open_with(
    factory: &dyn StrategyFactory,
    settings: &Json,
    schemas: Schemas,
    mut options: OpenOptions,
    retry: RetryPolicy,
) -> Result<Store> {
    let schemas = Arc::new(schemas);
    let read_only = options.read_only;
    options.schemas = Arc::clone(&schemas);
    let strategy = factory.open(settings, options).await?;
    if !read_only {
        let declared: Vec<CollectionSchema> = schemas.iter().cloned().collect();
        strategy.prepare_keeping_versions(&declared).await?;
    }
    Ok(Store::new(strategy, schemas, retry))
}
