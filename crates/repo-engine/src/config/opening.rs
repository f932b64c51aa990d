//! The store that a configuration names, and what it is opened with.

use std::sync::Arc;

use repo_core::layers::ValidationLayer;
use repo_core::strategy::{OpenOptions, StorageStrategy, StorageStrategyExt as _};
use repo_core::{CollectionSchema, Result, Schemas};

use super::Config;
use crate::chosen::Chosen;
use crate::host_factory;

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

    /// The declared collections: those of the folder `storage.schemas`, or the
    /// three Host Factory collections where it is not set.
    ///
    /// # Errors
    /// `ConfigInvalid` when the folder cannot be read, holds no schema, or a file
    /// is not one.
    pub fn schemas(&self) -> Result<Schemas> {
        match &self.storage().schemas {
            Some(folder) => Schemas::load_dir(folder),
            None => host_factory::schemas(),
        }
    }

    /// What a store with these collections is opened with: its limits are those
    /// of `storage.limits`.
    #[must_use]
    pub fn options(&self, schemas: Arc<Schemas>) -> OpenOptions {
        OpenOptions {
            schemas,
            max_entity_bytes: self.storage().limits.max_entity_bytes.get(),
            ..OpenOptions::default()
        }
    }

    /// Checks what is written to an open store, if `storage.validate_documents`
    /// says so.
    ///
    /// # Errors
    /// `ConfigInvalid` when a schema cannot be compiled.
    pub fn validated(
        &self,
        store: Arc<dyn StorageStrategy>,
        schemas: &Schemas,
    ) -> Result<Arc<dyn StorageStrategy>> {
        if !self.storage().validate_documents {
            return Ok(store);
        }
        Ok(Arc::new(ValidationLayer::new(store, schemas)?))
    }

    /// Opens the store that the configuration names, for writing, with all that
    /// it says, and makes what the declared collections lack. Documents of an
    /// older schema version stay of that version.
    ///
    /// # Errors
    /// As [`chosen`](Self::chosen) and [`schemas`](Self::schemas), and what the
    /// store reports.
    pub async fn open(&self) -> Result<Arc<dyn StorageStrategy>> {
        let chosen = self.chosen()?;
        let schemas = Arc::new(self.schemas()?);
        let store = chosen.open(self.options(Arc::clone(&schemas))).await?;
        let declared: Vec<CollectionSchema> = schemas.iter().cloned().collect();
        store.prepare_keeping_versions(&declared).await?;
        self.validated(store, &schemas)
    }
}
