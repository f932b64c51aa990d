//! Who writes, as it is typed.

use std::sync::Arc;

use clap::Args;
use cli_output::failure::usage;
use repo_core::strategy::StorageStrategy;
use repo_core::{Attribution, Result};
use repo_layers::{AttributionLayer, Layer as _};

/// What can be typed after a command that writes.
#[derive(Debug, Args)]
pub(crate) struct AttributionArgs {
    /// Who writes; kept with the version where history is kept
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// Why; kept with the version where history is kept
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl AttributionArgs {
    /// Reads them.
    pub(crate) fn parse(&self) -> Result<Option<AttributionLayer>> {
        if self.author.is_none() && self.reason.is_none() {
            return Ok(None);
        }
        let attribution = Attribution::new(self.author.as_deref(), self.reason.as_deref());
        attribution.map(AttributionLayer::new).map(Some).map_err(usage)
    }
}

/// A store all of whose writes are attributed so.
pub(crate) fn around(
    layer: Option<AttributionLayer>,
    store: &Arc<dyn StorageStrategy>,
) -> Arc<dyn StorageStrategy> {
    let store = Arc::clone(store);
    match layer {
        Some(layer) => layer.around(store),
        None => store,
    }
}
