//! The factory of the memory strategy.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use super::MemoryStrategy;
use crate::strategy::{OpenOptions, Scratch, StorageStrategy, StrategyFactory};
use crate::{Error, ErrorKind, Result};

/// Makes empty memory stores; each opening is a new one.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryFactory;

#[async_trait]
impl StrategyFactory for MemoryFactory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn summary(&self) -> &'static str {
        "records in the memory of this process; for tests"
    }

    fn settings_key(&self) -> &'static str {
        "memory_strategy"
    }

    fn check(&self, settings: &Json) -> Result<()> {
        match settings.as_object() {
            Some(fields) if fields.is_empty() => Ok(()),
            _ => Err(Error::new(
                ErrorKind::ConfigInvalid,
                "read the configuration",
                "memory_strategy has no settings",
            )),
        }
    }

    fn settings_schema(&self) -> Json {
        json!({ "type": "object", "additionalProperties": false })
    }

    fn settings_from_url(&self, url: &str) -> Result<Option<Json>> {
        Ok((url == "memory:").then(|| Json::Object(serde_json::Map::new())))
    }

    async fn open(
        &self,
        settings: &Json,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        self.check(settings)?;
        Ok(Arc::new(MemoryStrategy::new(options)))
    }

    fn scratch(&self, settings: &Json) -> Result<Scratch> {
        self.check(settings)?;
        Ok(Scratch::in_memory(settings.clone()))
    }
}
