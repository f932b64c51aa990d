//! Opening a store, step by step.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use repo_core::strategy::{
    OpenOptions, Registry, StorageStrategy, StorageStrategyExt as _, StrategyFactory,
};
use repo_core::{Clock, Model, Result, RetryPolicy, Schemas};
use repo_layers::{LayerConfig, NoSettings, ReferenceLayer, stack_with_expiry};

use crate::chosen::Chosen;
use crate::registry;
use crate::routes::routed;
use crate::store::Store;

/// A store that is about to be opened; awaiting it opens it. Made by
/// [`Store::open`].
#[derive(Debug)]
#[must_use = "a store is opened when this is awaited"]
pub struct OpenStore {
    place: Place,
    registry: Registry,
    /// `None`: those of the configuration, or none at all.
    schemas: Option<Result<Schemas>>,
    options: OpenOptions,
    max_entity_bytes: Option<usize>,
    retry: RetryPolicy,
    routes: Vec<String>,
}

/// How a store is named.
#[derive(Debug)]
enum Place {
    Url(String),
    #[cfg(feature = "config")]
    Config(std::path::PathBuf),
}

impl Store {
    /// Opens the store of a URL: `json:DIR`, `sqlite:FILE`,
    /// `postgresql://USER@HOST/NAME`, `dynamodb:PREFIX`, `object:s3://BUCKET/PREFIX`,
    /// `object:file:///DIR` or `memory:`, as far as this build has their features.
    /// Awaiting what this returns opens it.
    ///
    /// What the collections need is made: a folder, a file, tables, indexes.
    /// What is there already stays. Where a schema names the field with the
    /// [time to live](repo_core::Expiry), what has passed is absent. The references of
    /// collections whose schemas say so are enforced, unless the store is opened
    /// [read-only](OpenStore::read_only).
    ///
    /// # Errors
    /// `ConfigInvalid` for a URL of no known kind, or schemas that cannot be;
    /// `Foreign` when something that is not ours stands in the place;
    /// `NotFound` for a store that does not exist and is opened
    /// [read-only](OpenStore::read_only); else what the store reports.
    pub fn open(url: impl Into<String>) -> OpenStore {
        OpenStore::of(Place::Url(url.into()))
    }

    /// Opens the store that a configuration file and the variables `REPO_…` of the
    /// environment name, with the limits and layers that they set. Without
    /// [`schemas`](OpenStore::schemas) or [`model`](OpenStore::model) the collections
    /// are those of `storage.schemas`. Awaiting what this returns opens it.
    ///
    /// # Errors
    /// As [`open`](Self::open); `ConfigInvalid` for a configuration with an unknown key
    /// or a wrong value; `Unsupported` for a strategy or layer that was left out of this
    /// build.
    #[cfg(feature = "config")]
    pub fn from_config(file: impl Into<std::path::PathBuf>) -> OpenStore {
        OpenStore::of(Place::Config(file.into()))
    }
}

impl OpenStore {
    fn of(place: Place) -> Self {
        Self {
            place,
            registry: registry(),
            schemas: None,
            options: OpenOptions::default(),
            max_entity_bytes: None,
            retry: RetryPolicy::default(),
            routes: Vec::new(),
        }
    }

    /// The collections, in place of those named before.
    pub fn schemas(mut self, schemas: Schemas) -> Self {
        self.schemas = Some(Ok(schemas));
        self
    }

    /// Adds the collection of a model that declares its schema, as a derived one
    /// does.
    pub fn model<M: Model>(mut self) -> Self {
        let before = self.schemas.unwrap_or_else(|| Ok(Schemas::default()));
        self.schemas = Some(before.and_then(Schemas::with::<M>));
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

    /// Most bytes of one document, whatever a configuration says; 380 KiB without
    /// either, which every store can hold.
    pub fn max_entity_bytes(mut self, bytes: usize) -> Self {
        self.max_entity_bytes = Some(bytes);
        self
    }

    /// How often, and after what pauses, [`Store::transaction`] runs again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Adds a place, as a URL, that the store may move to while the program uses it.
    pub fn route(mut self, url: impl Into<String>) -> Self {
        self.routes.push(url.into());
        self
    }

    /// Adds a strategy of the program's own, which may take the name of another
    /// one.
    pub fn strategy(mut self, factory: impl StrategyFactory + 'static) -> Self {
        self.registry = self.registry.with(factory);
        self
    }

    async fn run(self) -> Result<Store> {
        let Self { place, registry, schemas, options, max_entity_bytes, retry, routes } = self;
        let limited = |options: OpenOptions, configured: Option<usize>| match max_entity_bytes
            .or(configured)
        {
            Some(bytes) => options.with_max_entity_bytes(bytes),
            None => options,
        };
        match place {
            Place::Url(url) => {
                let chosen = Chosen::by_url(&registry, &url)?;
                let schemas = Arc::new(schemas.unwrap_or_else(|| Ok(Schemas::default()))?);
                let options = limited(options, None);
                let (clock, read_only) = (Arc::clone(&options.clock), options.read_only);
                let routes = by_urls(&registry, &routes)?;
                let strategy = open_and_prepare(&chosen, routes, options, &schemas).await?;
                let enforced = !read_only && ReferenceLayer::is_needed(&schemas);
                let layers = enforced.then_some(LayerConfig::References(NoSettings {}));
                let strategy = stack_with_expiry(strategy, layers.as_slice(), &schemas, clock)?;
                Ok(Store::new(strategy, schemas, retry))
            }
            #[cfg(feature = "config")]
            Place::Config(file) => {
                let sources = crate::config::ConfigSources::from_environment(Some(file));
                let config = crate::config::Config::load(&sources, &registry, &[])?;
                let schemas = Arc::new(schemas.unwrap_or_else(|| config.schemas())?);
                let options = limited(options, Some(config.max_entity_bytes()));
                let routes = by_urls(&registry, &routes)?;
                let strategy = config.open_with(routes, options, &schemas).await?;
                Ok(Store::new(strategy, schemas, retry))
            }
        }
    }
}

impl IntoFuture for OpenStore {
    type Output = Result<Store>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Store>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// The stores of URLs.
pub(crate) fn by_urls(registry: &Registry, urls: &[String]) -> Result<Vec<Chosen>> {
    urls.iter().map(|url| Chosen::by_url(registry, url)).collect()
}

/// Opens a store, where it is now, and makes what its collections need, unless it is opened for
/// reading only. Records of an older schema version keep it.
pub(crate) async fn open_and_prepare(
    chosen: &Chosen,
    routes: Vec<Chosen>,
    options: OpenOptions,
    schemas: &Arc<Schemas>,
) -> Result<Arc<dyn StorageStrategy>> {
    // What cannot be enforced is refused before anything is opened.
    let prepared = match options.read_only {
        true => Vec::new(),
        false => ReferenceLayer::prepared_with(schemas)?,
    };
    let options = options.with_schemas(Arc::clone(schemas));
    let strategy = chosen.open(options.clone()).await?;
    let strategy = routed(strategy, routes, options.clone()).await?;
    if !options.read_only {
        strategy.prepare_keeping_versions(&prepared).await?;
    }
    Ok(strategy)
}
