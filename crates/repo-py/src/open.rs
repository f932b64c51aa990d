//! Opening a store, step by step.

use std::sync::Arc;

use pyo3::prelude::*;
use repo_core::strategy::{OnUnreadable, OpenOptions, StorageStrategy, StorageStrategyExt as _};
use repo_core::{Result, Schemas};
use repo_layers::ReferenceLayer;

use crate::errors::checked;
use crate::forked::{OpenFile, refuse_inherited, sqlite_file};
use crate::place::{ChosenPlace, Place};
use crate::wait::wait;

/// A store that is about to be opened.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) place: Place,
    pub(crate) schemas: Option<Schemas>,
    pub(crate) read_only: bool,
    pub(crate) max_entity_bytes: Option<usize>,
    pub(crate) routes: Vec<String>,
}

/// An open store.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) strategy: Arc<dyn StorageStrategy>,
    pub(crate) schemas: Arc<Schemas>,
    pub(crate) file: Option<OpenFile>,
}

impl Opening {
    /// Opens the store and makes what its collections lack, unless it is opened for
    /// reading only.
    pub(crate) fn open(self, py: Python<'_>) -> PyResult<Opened> {
        let registry = repo_engine::registry();
        let chosen = checked(py, self.place.choose(&registry, &self.routes))?;
        let file = sqlite_file(&chosen.store);
        if let Some(file) = &file {
            checked(py, refuse_inherited(py, file))?;
        }
        let schemas = match self.schemas {
            Some(schemas) => schemas,
            None => checked(py, chosen.config.schemas())?,
        };
        let schemas = Arc::new(schemas);
        let options = chosen.config.options(Arc::clone(&schemas));
        let mut options = options.with_read_only(self.read_only);
        if let Some(bytes) = self.max_entity_bytes {
            options = options.with_max_entity_bytes(bytes);
        }
        let strategy = wait(py, || opened(&chosen, options, &schemas))?;
        let file = file.and_then(|file| OpenFile::note(py, &file));
        Ok(Opened { strategy, schemas, file })
    }
}

async fn opened(
    chosen: &ChosenPlace,
    options: OpenOptions,
    schemas: &Arc<Schemas>,
) -> Result<Arc<dyn StorageStrategy>> {
    let read_only = options.read_only;
    let store = chosen.store.open(options.clone()).await?;
    let store = chosen.config.routed(store, options).await?;
    let ready = async {
        if !read_only {
            store.prepare_keeping_versions(&ReferenceLayer::prepared_with(schemas)?).await?;
        }
        chosen.config.layered(Arc::clone(&store), schemas)
    };
    match ready.await {
        Ok(layered) => Ok(layered),
        Err(error) => {
            // Why it cannot be used says more than why it cannot be closed.
            let _ = store.close().await;
            Err(error)
        }
    }
}

/// Opens a store that is only read, and names all that cannot be read before it fails.
pub(crate) async fn open_source(
    chosen: &ChosenPlace,
    schemas: &Arc<Schemas>,
) -> Result<Arc<dyn StorageStrategy>> {
    let options = chosen.config.options(Arc::clone(schemas)).with_read_only(true);
    chosen.store.open(options.with_unreadable(OnUnreadable::NameAll)).await
}
