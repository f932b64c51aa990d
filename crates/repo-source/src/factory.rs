//! The factory of the files of another program.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{OpenOptions, StorageStrategy, StrategyFactory, settings_schema};
use repo_core::{Error, ErrorKind, Result};
use serde_json::{Value as Json, json};

use crate::config::FilesSettings;
use crate::folder;
use crate::plan::{check_any, plan};
use crate::store::{Opening, open};

const NAME: &str = "files";
const URL_SCHEME: &str = "files:";

/// Opens JSON files of another program for reading: `files:DIR`.
#[derive(Debug, Clone, Copy, Default)]
pub struct FilesFactory;

#[async_trait]
impl StrategyFactory for FilesFactory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn summary(&self) -> &'static str {
        "JSON files of another program, only read, as `source` in the schemas says"
    }

    fn settings_key(&self) -> &'static str {
        "files_strategy"
    }

    fn check(&self, settings: &Json) -> Result<()> {
        FilesSettings::read(settings).map(drop)
    }

    fn settings_schema(&self) -> Json {
        settings_schema(include_str!("settings.schema.json"))
    }

    fn settings_from_url(&self, url: &str) -> Result<Option<Json>> {
        let Some(folder) = url.strip_prefix(URL_SCHEME) else { return Ok(None) };
        if folder.is_empty() {
            let why = "the URL names no folder";
            return Err(Error::new(ErrorKind::ConfigInvalid, "choose a strategy", why)
                .with("url", url)
                .hint("files of another program are named like files:DIR"));
        }
        Ok(Some(json!({ "base_path": folder })))
    }

    async fn open(
        &self,
        settings: &Json,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let settings = FilesSettings::read(settings)?;
        let location = folder::location(URL_SCHEME, &settings.base_path);
        if !options.opens_foreign() {
            let why = "files of another program are only read";
            return Err(Error::new(ErrorKind::Foreign, "open", why)
                .with("store", location)
                .hint("they can be the source of a migration; name a store to write to"));
        }
        let routes = plan(&options.schemas, &options)?;
        check_any(&routes, &location)?;
        let opening =
            Opening { system: NAME, location, folder: settings.base_path, routes, options };
        Ok(Arc::new(open(opening).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_of_the_settings_is_that_of_their_type() {
        let made = schemars::schema_for!(FilesSettings).to_value();
        assert_eq!(
            FilesFactory.settings_schema(),
            made,
            "settings.schema.json is to be:\n{made:#}"
        );
    }

    #[test]
    fn a_url_names_the_folder() {
        let settings = FilesFactory.settings_from_url("files:/srv/work").unwrap();
        assert_eq!(settings, Some(json!({"base_path": "/srv/work"})));
        assert_eq!(FilesFactory.settings_from_url("json:/srv").unwrap(), None);
        let error = FilesFactory.settings_from_url("files:").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    }
}
