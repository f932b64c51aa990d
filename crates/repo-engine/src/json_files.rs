//! The factory of JSON files, also of those in which a broker keeps entities of several
//! collections in one section: such files are a source, and no store.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{OpenOptions, Scratch, StorageStrategy, StrategyFactory};
use repo_core::{Error, Result};
use repo_json::{JsonFactory, JsonSettings, StorageType};
use repo_source::{BrokerFiles, open_broker};
use serde_json::Value as Json;

/// The file by which a store of ours is known.
const META: &str = ".meta";

/// Opens stores of JSON files, and for reading a broker's files as well.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JsonFilesFactory;

#[async_trait]
impl StrategyFactory for JsonFilesFactory {
    fn name(&self) -> &'static str {
        JsonFactory.name()
    }

    fn summary(&self) -> &'static str {
        JsonFactory.summary()
    }

    fn settings_key(&self) -> &'static str {
        JsonFactory.settings_key()
    }

    fn check(&self, settings: &Json) -> Result<()> {
        JsonFactory.check(settings)
    }

    fn settings_schema(&self) -> Json {
        JsonFactory.settings_schema()
    }

    fn settings_from_url(&self, url: &str) -> Result<Option<Json>> {
        JsonFactory.settings_from_url(url)
    }

    async fn open(
        &self,
        settings: &Json,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let opened = JsonFactory.open(settings, options.clone()).await;
        if !options.opens_foreign() {
            return opened;
        }
        let settings = JsonSettings::read(settings)?;
        let may_be_theirs = match &opened {
            Ok(_) => passes_over_a_file(&settings),
            Err(refusal) => is_about_their_files(refusal),
        };
        if !may_be_theirs || settings.base_path.join(META).exists() {
            return opened;
        }
        match open_broker(broker_files(settings), options).await? {
            None => opened,
            Some(theirs) => {
                if let Ok(store) = opened {
                    store.close().await?;
                }
                Ok(theirs)
            }
        }
    }

    fn scratch(&self, settings: &Json) -> Result<Scratch> {
        JsonFactory.scratch(settings)
    }
}

/// Whether a store of split files was opened beside a file that it does not read.
fn passes_over_a_file(settings: &JsonSettings) -> bool {
    settings.storage_type == StorageType::SplitFiles
        && settings.base_path.join(&settings.filenames.single_file).is_file()
}

/// Whether the files may be those of a broker: of the section that it shares, or in
/// both layouts, since that section is in a file of its own.
fn is_about_their_files(refusal: &Error) -> bool {
    ["section", "single file"].iter().any(|name| refusal.context_value(name).is_some())
}

fn broker_files(settings: JsonSettings) -> BrokerFiles {
    BrokerFiles {
        folder: settings.base_path,
        single_file: settings.filenames.single_file,
        split_files: settings.filenames.split_files.into_iter().collect(),
    }
}
