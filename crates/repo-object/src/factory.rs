//! The factory of the object store strategy.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::Result;
use repo_core::strategy::{OpenOptions, StorageStrategy, StrategyFactory, settings_schema};
use serde_json::{Value as Json, json};

use crate::config::ObjectSettings;
use crate::strategy::ObjectStrategy;

const URL_SCHEME: &str = "object:";

/// Opens stores in S3-compatible storage or in a folder of objects: `storage.strategy:
/// "object"`, `object:s3://BUCKET/PREFIX`, `object:file:///FOLDER`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ObjectFactory;

#[async_trait]
impl StrategyFactory for ObjectFactory {
    fn name(&self) -> &'static str {
        "object"
    }

    fn summary(&self) -> &'static str {
        "a log of objects in S3-compatible storage, shared by machines"
    }

    fn settings_key(&self) -> &'static str {
        "object_strategy"
    }

    fn check(&self, settings: &Json) -> Result<()> {
        ObjectSettings::read(settings).map(drop)
    }

    fn settings_schema(&self) -> Json {
        settings_schema(include_str!("settings.schema.json"))
    }

    fn settings_from_url(&self, url: &str) -> Result<Option<Json>> {
        let Some(location) = url.strip_prefix(URL_SCHEME) else { return Ok(None) };
        let settings = json!({ "location": location });
        // Credentials may come from elsewhere, so only the place is looked at.
        ObjectSettings::check_location(location)?;
        Ok(Some(settings))
    }

    async fn open(
        &self,
        settings: &Json,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let settings = ObjectSettings::unchecked(settings)?;
        Ok(Arc::new(ObjectStrategy::open(settings, options).await?))
    }
}

#[cfg(test)]
mod tests {
    use repo_core::ErrorKind;
    use schemars::generate::SchemaSettings;

    use super::*;

    #[test]
    fn the_schema_of_the_settings_is_that_of_their_type() {
        let inline = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let made = inline.into_generator().into_root_schema_for::<ObjectSettings>().to_value();
        assert_eq!(
            ObjectFactory.settings_schema(),
            made,
            "settings.schema.json is to be:\n{made:#}"
        );
    }

    #[test]
    fn a_url_names_a_place() {
        let settings = |url: &str| ObjectFactory.settings_from_url(url);
        for location in ["s3://bucket/prefix", "file:///srv/data"] {
            let found = settings(&format!("object:{location}")).unwrap().unwrap();
            assert_eq!(found, json!({ "location": location }));
        }
        assert_eq!(settings("json:data").unwrap(), None);
        for (url, kind) in
            [("object:", ErrorKind::ConfigInvalid), ("object:gs://bucket", ErrorKind::Unsupported)]
        {
            assert_eq!(settings(url).unwrap_err().kind(), kind, "{url}");
        }
    }
}
