//! Layered configuration: flags over environment over file over defaults.
//!
//! The shape is the one operators already have: a `storage` and a `migration`
//! section. Other top-level sections are somebody else's; they are ignored
//! and listed.

mod entries;
mod environment;
mod file;
mod model;
mod refusal;
mod schema;
mod settings;

use std::path::PathBuf;

use figment::Figment;
use serde_json::{Map, Value as Json, json};

pub use entries::ConfigEntry;
pub use model::{Limits, MigrationConfig, StorageConfig};
pub use schema::config_schema;
pub use settings::read_settings;

use refusal::refuse;

use crate::Result;
use crate::strategy::{Registry, did_you_mean};

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct ConfigSources {
    /// The file, if one is used.
    pub file: Option<PathBuf>,
    /// The variables of the environment: `REPO_STORAGE__STRATEGY` and the
    /// like are a layer, all of them fill `${NAME}` in the file.
    pub environment: Vec<(String, String)>,
    /// Values from flags, under dotted paths such as `storage.strategy`.
    pub overrides: Vec<(String, Json)>,
}

/// A loaded and checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    storage: StorageConfig,
    migration: MigrationConfig,
    /// The settings blocks as written, `${NAME}` not yet filled.
    blocks: Map<String, Json>,
    environment: Vec<(String, String)>,
    entries: Vec<ConfigEntry>,
    ignored: Vec<String>,
}

impl ConfigSources {
    /// Whether variables alone are a configuration: some are of its section
    /// `storage`, which chooses the store.
    #[must_use]
    pub fn environment_counts(environment: &[(String, String)]) -> bool {
        environment.iter().any(|(name, _)| name.starts_with(environment::STORAGE))
    }
}

impl Config {
    /// Reads all layers and checks them: every key of `storage` and
    /// `migration`, and the settings of the chosen strategy. The settings of
    /// the other strategies are checked when they are used.
    ///
    /// # Errors
    /// `ConfigInvalid` for a file that cannot be read, an unknown key or a
    /// wrong value; `Unsupported` for a value not yet supported.
    pub fn load(sources: &ConfigSources, registry: &Registry) -> Result<Self> {
        let schema = config_schema(registry);
        let merged = merge(sources, &schema)?;
        let tree: Json = merged.extract().map_err(|source| {
            refuse("the configuration cannot be read")
                .with("reason", &source)
                .caused_by(Box::new(source))
        })?;
        let Json::Object(mut top) = tree else {
            return Err(refuse("a configuration is a JSON object"));
        };
        let mut storage = section(&mut top, "storage")?;
        let migration = section(&mut top, "migration")?;
        let blocks = take_blocks(&mut storage, registry)?;
        let storage = fill(Json::Object(storage), "storage", &sources.environment)?;
        let migration = fill(Json::Object(migration), "migration", &sources.environment)?;
        let entries = entries::collect(&merged, &schema);
        let config = Self {
            storage: read_settings("storage", &storage)?,
            migration: read_settings("migration", &migration)?,
            blocks,
            environment: sources.environment.clone(),
            entries,
            ignored: top.into_iter().map(|(key, _)| key).filter(|key| key != "$schema").collect(),
        };
        let factory = registry.get(&config.storage.strategy)?;
        factory.check(&config.settings(factory.settings_key())?)?;
        Ok(config)
    }

    /// The `storage` section without the strategies' own settings.
    #[must_use]
    pub fn storage(&self) -> &StorageConfig {
        &self.storage
    }

    /// The `migration` section.
    #[must_use]
    pub fn migration(&self) -> &MigrationConfig {
        &self.migration
    }

    /// The settings under a strategy's key, `${NAME}` filled; an empty object
    /// when there are none.
    ///
    /// # Errors
    /// `ConfigInvalid` when a variable is not set.
    pub fn settings(&self, settings_key: &str) -> Result<Json> {
        let block = self.blocks.get(settings_key).cloned().unwrap_or_else(|| json!({}));
        fill(block, &format!("storage.{settings_key}"), &self.environment)
    }

    /// Every value with its origin, by path; secrets are hidden and `${NAME}`
    /// is shown as written.
    #[must_use]
    pub fn entries(&self) -> &[ConfigEntry] {
        &self.entries
    }

    /// Top-level sections that are not ours.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Things that are allowed and probably not meant.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        self.ignored
            .iter()
            .filter(|key| key.ends_with("_strategy"))
            .map(|key| format!("`{key}` at the top has no effect: move it into `storage`"))
            .collect()
    }
}

fn merge(sources: &ConfigSources, schema: &Json) -> Result<Figment> {
    let defaults = json!({
        "storage": StorageConfig::default(),
        "migration": MigrationConfig::default(),
    });
    let mut figment = Figment::from(file::Layer::new("default", defaults));
    if let Some(path) = &sources.file {
        figment = figment.merge(file::read(path)?);
    }
    let environment = environment::layer(&sources.environment, schema)?;
    figment = figment.merge(file::Layer::new("environment", environment));
    for (path, value) in &sources.overrides {
        figment = figment.merge(file::Layer::nested("command line", path, value.clone()));
    }
    Ok(figment)
}

fn section(top: &mut Map<String, Json>, name: &str) -> Result<Map<String, Json>> {
    match top.remove(name) {
        None => Ok(Map::new()),
        Some(Json::Object(fields)) => Ok(fields),
        Some(_) => Err(refuse("a section is a JSON object").with("at", name)),
    }
}

/// Separates the strategies' settings and refuses unknown keys of `storage`.
fn take_blocks(storage: &mut Map<String, Json>, registry: &Registry) -> Result<Map<String, Json>> {
    let mut blocks = Map::new();
    for key in registry.iter().map(|factory| factory.settings_key()) {
        match storage.remove(key) {
            None => {}
            Some(block @ Json::Object(_)) => {
                blocks.insert(key.to_owned(), block);
            }
            Some(_) => {
                return Err(refuse("a strategy's settings are a JSON object")
                    .with("at", format!("storage.{key}")));
            }
        }
    }
    let own = schema::property_names::<StorageConfig>();
    if let Some(unknown) = storage.keys().find(|key| !own.contains(key)) {
        let known = own.iter().map(String::as_str).chain(registry.iter().map(|f| f.settings_key()));
        let error = refuse("an unknown key").with("at", format!("storage.{unknown}"));
        return Err(match did_you_mean(unknown, known) {
            Some(hint) => error.hint(hint),
            None => error,
        });
    }
    Ok(blocks)
}

fn fill(mut value: Json, at: &str, environment: &[(String, String)]) -> Result<Json> {
    environment::fill(&mut value, at, environment)?;
    Ok(value)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
