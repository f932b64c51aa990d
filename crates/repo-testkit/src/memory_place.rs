//! The place of the memory strategy, the reference of the contract.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use repo_core::strategy::OpenOptions;
use repo_core::{Error, ErrorKind, MemoryStrategy, Result};

use crate::{Place, Store};

/// The first handle keeps the records; every opening shares them.
#[derive(Debug, Default)]
pub struct MemoryPlace(OnceLock<MemoryStrategy>);

#[async_trait]
impl Place for MemoryPlace {
    async fn open(&self, options: OpenOptions) -> Result<Store> {
        if options.read_only && self.0.get().is_none() {
            return Err(Error::new(ErrorKind::NotFound, "open", "nothing was stored here"));
        }
        let records = self.0.get_or_init(|| MemoryStrategy::new(OpenOptions::default()));
        Ok(Arc::new(records.share(options)))
    }
}
