//! The store that a configuration names, and what it is opened with.

use std::sync::Arc;

use repo_core::strategy::{OpenOptions, StorageStrategy, StrategyFactory};
use repo_core::{Clock, Result, Schemas, SystemClock};
use repo_layers::{LayerConfig, NoSettings, ReferenceLayer, stack_with_expiry};

use super::Config;
use crate::chosen::Chosen;
use crate::host_factory;
use crate::open::{by_urls, open_and_prepare};
use crate::routes::routed;

impl Config {
    /// The store that `storage.strategy` names, not yet opened.
    ///
    /// # Errors
    /// As [`chosen_as`](Self::chosen_as).
    pub fn chosen(&self) -> Result<Chosen> {
        self.chosen_as(&self.storage().strategy)
    }

    /// The store of another strategy with its settings in this configuration, not
    /// yet opened.
    ///
    /// # Errors
    /// `ConfigInvalid` for an unknown name or a wrong setting; `Unsupported` for a
    /// value that is not yet supported, or a strategy that was left out of this
    /// build.
    pub fn chosen_as(&self, strategy: &str) -> Result<Chosen> {
        let factory = Arc::clone(self.registry().get(strategy)?);
        let settings = self.settings(factory.settings_key())?;
        factory.check(&settings)?;
        factory.check_built_in()?;
        Ok(Chosen { factory, settings })
    }

    /// The names of the strategies that this configuration has settings for, and of the one
    /// that it chooses, sorted. Where several read the same settings it is the chosen one, or
    /// the one that they are called after.
    #[must_use]
    pub fn configured(&self) -> Vec<&'static str> {
        let chosen = self.storage().strategy.as_str();
        let chosen_key = self.registry().get(chosen).ok().map(|factory| factory.settings_key());
        let stands_for = |factory: &Arc<dyn StrategyFactory>| {
            let (name, key) = (factory.name(), factory.settings_key());
            match chosen_key == Some(key) {
                true => name == chosen,
                false => self.has_settings(key) && key.strip_suffix("_strategy") == Some(name),
            }
        };
        let all = self.registry().iter().filter(|factory| stands_for(factory));
        all.map(|factory| factory.name()).collect()
    }

    /// The declared collections: those of the folder `storage.schemas`, or the
    /// three Host Factory collections where it is not set.
    ///
    /// # Errors
    /// `ConfigInvalid` when the folder cannot be read, holds no schema, or a file
    /// is not one. Whether it is a JSON Schema is checked with the feature
    /// `validation`.
    pub fn schemas(&self) -> Result<Schemas> {
        match &self.storage().schemas {
            Some(folder) => {
                let schemas = Schemas::load_dir(folder)?;
                #[cfg(feature = "validation")]
                repo_layers::check_schemas(&schemas)
                    .map_err(|error| error.with("folder", folder.display()))?;
                Ok(schemas)
            }
            None => host_factory::schemas(),
        }
    }

    /// What a store with these collections is opened with: its limits are those
    /// of `storage.limits`.
    #[must_use]
    pub fn options(&self, schemas: Arc<Schemas>) -> OpenOptions {
        OpenOptions::default().with_schemas(schemas).with_max_entity_bytes(self.max_entity_bytes())
    }

    pub(crate) fn max_entity_bytes(&self) -> usize {
        self.storage().limits.max_entity_bytes.get()
    }

    /// The layers around the store, the outermost first: those of
    /// `storage.layers`, and validation within them where
    /// `storage.validate_documents` asks for it and the list does not.
    #[must_use]
    pub fn layers(&self) -> Vec<LayerConfig> {
        let mut layers = self.storage().layers.clone();
        let validates = |layer: &LayerConfig| matches!(layer, LayerConfig::Validation(_));
        if self.storage().validate_documents && !layers.iter().any(validates) {
            layers.push(LayerConfig::Validation(NoSettings {}));
        }
        layers
    }

    /// Puts the configured layers around an open store, and within them the one that
    /// enforces references where a schema asks for it and the list does not name it. A store
    /// that is open for reading only needs neither that one nor validation, and gets none.
    /// Where a schema names the field with the time to live, a layer for it is among them, by
    /// the clock of the system.
    ///
    /// # Errors
    /// `ConfigInvalid` when a schema cannot be compiled, or has the name of a collection of the
    /// engine's own; `Unsupported` for a layer that was left out of this build.
    pub fn layered(
        &self,
        store: Arc<dyn StorageStrategy>,
        schemas: &Schemas,
    ) -> Result<Arc<dyn StorageStrategy>> {
        self.layered_by(store, schemas, Arc::new(SystemClock))
    }

    /// The same with a clock for the time to live.
    ///
    /// # Errors
    /// As [`layered`](Self::layered).
    pub fn layered_by(
        &self,
        store: Arc<dyn StorageStrategy>,
        schemas: &Schemas,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let mut layers = self.layers();
        let enforces = |layer: &LayerConfig| matches!(layer, LayerConfig::References(_));
        if store.capabilities().read_only {
            layers.retain(|layer| !enforces(layer) && !matches!(layer, LayerConfig::Validation(_)));
        } else if ReferenceLayer::is_needed(schemas) && !layers.iter().any(enforces) {
            layers.push(LayerConfig::References(NoSettings {}));
        }
        stack_with_expiry(store, &layers, schemas, clock)
    }

    /// Opens the store that the configuration names, for writing, with all that
    /// it says, and makes what the declared collections lack. Documents of an
    /// older schema version stay of that version.
    ///
    /// # Errors
    /// As [`chosen`](Self::chosen) and [`schemas`](Self::schemas), and what the
    /// store reports.
    pub async fn open(&self) -> Result<Arc<dyn StorageStrategy>> {
        let schemas = Arc::new(self.schemas()?);
        self.open_with(Vec::new(), self.options(Arc::clone(&schemas)), &schemas).await
    }

    /// Follows an open store to where it has moved, among the places that
    /// `storage.routes` names.
    ///
    /// # Errors
    /// `ConfigInvalid` for a route that is no URL of a store; `Locked` for a store that
    /// has moved to another place; what the stores report.
    pub async fn routed(
        &self,
        store: Arc<dyn StorageStrategy>,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        routed(store, self.routes()?, options).await
    }

    fn routes(&self) -> Result<Vec<Chosen>> {
        by_urls(self.registry(), &self.storage().routes)
            .map_err(|error| error.with("at", "storage.routes"))
    }

    /// The same with the caller's options and collections, and more routes.
    pub(crate) async fn open_with(
        &self,
        routes: Vec<Chosen>,
        options: OpenOptions,
        schemas: &Arc<Schemas>,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let routes = self.routes()?.into_iter().chain(routes).collect();
        let clock = Arc::clone(&options.clock);
        let store = open_and_prepare(&self.chosen()?, routes, options, schemas).await?;
        self.layered_by(store, schemas, clock)
    }
}
