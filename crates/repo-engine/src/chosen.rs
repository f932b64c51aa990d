//! A store that is chosen and not yet opened.

use std::sync::Arc;

use repo_core::Result;
use repo_core::strategy::{OpenOptions, Registry, StorageStrategy, StrategyFactory};
use serde_json::Value as Json;

/// A store that is chosen and not yet opened: its strategy and its settings.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// What opens it.
    pub factory: Arc<dyn StrategyFactory>,
    /// The strategy's own settings, checked.
    pub settings: Json,
}

impl Chosen {
    /// The store of a URL.
    ///
    /// # Errors
    /// `ConfigInvalid` when no factory of the registry knows the URL;
    /// `Unsupported` when its strategy was left out of this build.
    pub fn by_url(registry: &Registry, url: &str) -> Result<Self> {
        let (factory, settings) = registry.by_url(url)?;
        factory.check_built_in()?;
        Ok(Self { factory: Arc::clone(factory), settings })
    }

    /// Opens the store.
    ///
    /// # Errors
    /// `NotFound` for a store that does not exist and is opened read-only; else
    /// what the strategy reports.
    pub async fn open(&self, options: OpenOptions) -> Result<Arc<dyn StorageStrategy>> {
        self.factory.open(&self.settings, options).await
    }

    /// Whether both could name the same store: they read the same settings.
    #[must_use]
    pub fn same_kind_as(&self, other: &Self) -> bool {
        self.factory.settings_key() == other.factory.settings_key()
    }

    /// Whether both name the same store, as far as that shows before they are
    /// opened.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.same_kind_as(other) && self.settings == other.settings
    }
}
