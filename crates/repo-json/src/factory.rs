//! The factory of the JSON strategy.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{
    OpenOptions, Scratch, StorageStrategy, StrategyFactory, settings_schema,
};
use repo_core::{Error, ErrorKind, Result};
use serde_json::{Value as Json, json};

use crate::config::JsonSettings;
use crate::strategy::JsonStrategy;

/// Opens stores of JSON files: `storage.strategy: "json"`, `json:DIR`.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonFactory;

#[async_trait]
impl StrategyFactory for JsonFactory {
    fn name(&self) -> &'static str {
        "json"
    }

    fn summary(&self) -> &'static str {
        "JSON files that any tool can read, with a journal beside them"
    }

    fn settings_key(&self) -> &'static str {
        "json_strategy"
    }

    fn check(&self, settings: &Json) -> Result<()> {
        JsonSettings::read(settings).map(|_| ())
    }

    fn settings_schema(&self) -> Json {
        settings_schema(include_str!("settings.schema.json"))
    }

    fn settings_from_url(&self, url: &str) -> Result<Option<Json>> {
        let Some(folder) = url.strip_prefix("json:") else { return Ok(None) };
        if folder.is_empty() {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "choose a strategy",
                "the URL names no folder",
            )
            .with("url", url)
            .hint("a JSON store is named like json:DIR"));
        }
        Ok(Some(json!({ "storage_type": "detect", "base_path": folder })))
    }

    async fn open(
        &self,
        settings: &Json,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let settings = JsonSettings::read(settings)?;
        Ok(Arc::new(JsonStrategy::open(settings, options).await?))
    }

    fn scratch(&self, settings: &Json) -> Result<Scratch> {
        let store = JsonSettings::read(settings)?.base_path;
        let mut settings = settings.clone();
        Scratch::in_folder_beside(&store, |folder| {
            if let Some(fields) = settings.as_object_mut() {
                fields.insert("base_path".to_owned(), folder.into());
                // Copies before checkpoints stay within the folder too.
                fields.remove("backup_location");
            }
            settings
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_of_the_settings_is_that_of_their_type() {
        let made = schemars::schema_for!(JsonSettings).to_value();
        assert_eq!(JsonFactory.settings_schema(), made, "settings.schema.json is to be:\n{made:#}");
    }
}
