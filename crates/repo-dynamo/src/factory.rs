//! The factory of the DynamoDB strategy.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::Result;
use repo_core::strategy::{self, OpenOptions, Scratch, StorageStrategy, StrategyFactory};
use serde_json::{Value as Json, json};

use crate::config::{DynamoSettings, refuse};
use crate::strategy::DynamoStrategy;

const URL_SCHEME: &str = "dynamodb:";

/// Opens stores in DynamoDB: `storage.strategy: "dynamodb"`,
/// `dynamodb:PREFIX`.
#[derive(Debug, Clone, Copy, Default)]
pub struct DynamoFactory;

#[async_trait]
impl StrategyFactory for DynamoFactory {
    fn name(&self) -> &'static str {
        "dynamodb"
    }

    fn summary(&self) -> &'static str {
        "Amazon DynamoDB, one table a collection"
    }

    fn settings_key(&self) -> &'static str {
        "dynamodb_strategy"
    }

    fn check(&self, settings: &Json) -> Result<()> {
        DynamoSettings::read(settings).map(drop)
    }

    fn settings_schema(&self) -> Json {
        strategy::settings_schema(include_str!("settings.schema.json"))
    }

    fn settings_from_url(&self, url: &str) -> Result<Option<Json>> {
        match url.strip_prefix(URL_SCHEME) {
            None => Ok(None),
            Some(prefix) if prefix.is_empty() || prefix.contains('/') => {
                Err(refuse("table_prefix", "the URL of a DynamoDB store is dynamodb: and a prefix")
                    .hint("write dynamodb:hostfactory"))
            }
            Some(prefix) => Ok(Some(json!({ "table_prefix": prefix }))),
        }
    }

    async fn open(
        &self,
        settings: &Json,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let settings = DynamoSettings::read(settings)?;
        DynamoStrategy::open_any(settings, options).await
    }

    fn scratch(&self, settings: &Json) -> Result<Scratch> {
        DynamoSettings::read(settings)?;
        let mut settings = settings.clone();
        Scratch::on_server(|name| {
            if let Some(fields) = settings.as_object_mut() {
                fields.insert("table_prefix".to_owned(), name.into());
            }
            settings
        })
    }

    async fn remove_scratch(&self, scratch: &Scratch) -> Result<()> {
        DynamoStrategy::remove_scratch(scratch).await
    }
}

#[cfg(test)]
mod tests {
    use schemars::generate::SchemaSettings;

    use super::*;

    #[test]
    fn the_schema_of_the_settings_is_that_of_their_type() {
        let inline = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let made = inline.into_generator().into_root_schema_for::<DynamoSettings>().to_value();
        assert_eq!(
            DynamoFactory.settings_schema(),
            made,
            "settings.schema.json is to be:\n{made:#}"
        );
    }
}
