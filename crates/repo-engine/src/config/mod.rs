//! Layered configuration: flags over environment over file over defaults.
//!
//! The engine reads the section `storage`. A program names the sections of its
//! own that stand beside it, each a [`Section`]; other top-level sections are
//! somebody else's: they are ignored and listed.
//!
//! ```no_run
//! use repo_engine::config::{Config, ConfigSources};
//!
//! # async fn example() -> repo_engine::Result<()> {
//! let sources = ConfigSources::from_environment(Some("repository.json".into()));
//! let config = Config::load(&sources, &repo_engine::registry(), &[])?;
//! let store = config.open().await?;
//! # store.close().await
//! # }
//! ```

mod entries;
mod environment;
mod file;
mod model;
mod of_type;
mod opening;
mod refusal;
mod schema;
mod section;

use std::path::PathBuf;

use figment::Figment;
use repo_core::Result;
use repo_core::strategy::{Registry, did_you_mean, read_settings};
use repo_layers::check_layers;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

pub use entries::ConfigEntry;
pub use model::{Limits, StorageConfig};
pub use schema::config_schema;
pub use section::Section;

use refusal::refuse;

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
    /// The sections of the program, `${NAME}` filled.
    sections: Map<String, Json>,
    /// What is read of the sections of other programs, `${NAME}` not yet filled.
    parts: Map<String, Json>,
    registry: Registry,
    /// The settings blocks as written, `${NAME}` not yet filled.
    blocks: Map<String, Json>,
    environment: Vec<(String, String)>,
    entries: Vec<ConfigEntry>,
    ignored: Vec<String>,
}

impl ConfigSources {
    /// A file, if one is used, and the variables of this process. Variables whose
    /// name or value is not UTF-8 are left out: no setting can be one.
    #[must_use]
    pub fn from_environment(file: Option<PathBuf>) -> Self {
        let text = |value: std::ffi::OsString| value.into_string().ok();
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
            .collect();
        Self { file, environment, overrides: Vec::new() }
    }

    /// Whether variables alone are a configuration: some are of its section
    /// `storage`, which chooses the store.
    #[must_use]
    pub fn environment_counts(environment: &[(String, String)]) -> bool {
        environment.iter().any(|(name, _)| name.starts_with(environment::STORAGE))
    }
}

impl Config {
    /// Reads all layers and checks them: every key of `storage` and of the
    /// program's own `sections`, and the settings of the chosen strategy. The
    /// settings of the other strategies are checked when they are used.
    ///
    /// # Errors
    /// `ConfigInvalid` for a file that cannot be read, an unknown key or a
    /// wrong value; `Unsupported` for a value not yet supported.
    pub fn load(
        sources: &ConfigSources,
        registry: &Registry,
        sections: &[Section],
    ) -> Result<Self> {
        let schema = config_schema(registry, sections);
        let merged = merge(sources, &schema, sections)?;
        let tree: Json = merged.extract().map_err(|source| {
            refuse("the configuration cannot be read")
                .with("reason", &source)
                .caused_by(Box::new(source))
        })?;
        let Json::Object(mut top) = tree else {
            return Err(refuse("a configuration is a JSON object"));
        };
        let mut storage = take_section(&mut top, STORAGE)?;
        let blocks = take_blocks(&mut storage, registry)?;
        let storage = fill(Json::Object(storage), STORAGE, &sources.environment)?;
        let storage: StorageConfig = read_settings(STORAGE, &storage)?;
        check_layers(&storage.layers).map_err(|error| error.with("at", "storage.layers"))?;
        let parts = take_parts(&mut top, sections);
        let given = take_sections(&mut top, sections, &sources.environment)?;
        let named = sections.iter().map(|section| (section.name(), section.part().is_none()));
        let named = [(STORAGE, true)].into_iter().chain(named);
        let entries = entries::collect(&merged, &schema, named);
        let config = Self {
            storage,
            sections: given,
            parts,
            registry: registry.clone(),
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

    /// One of the sections that it was loaded with.
    ///
    /// # Errors
    /// `ConfigInvalid` when `T` is another type than the section's own and does
    /// not fit, or when the configuration was loaded without the section; of a section that is
    /// read in part also for a wrong value, and a variable that is not set.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        if let Some(part) = self.parts.get(name) {
            return read_settings(name, &fill(part.clone(), name, &self.environment)?);
        }
        let Some(given) = self.sections.get(name) else {
            return Err(refuse("the configuration was loaded without this section")
                .with("section", name)
                .hint("give the section to Config::load"));
        };
        read_settings(name, given)
    }

    /// The strategies that it was loaded with.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
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

    /// Whether anything was written under a strategy's key.
    #[must_use]
    pub fn has_settings(&self, settings_key: &str) -> bool {
        self.blocks.contains_key(settings_key)
    }

    /// Every value with its origin, by path; secrets are hidden and `${NAME}`
    /// is shown as written.
    #[must_use]
    pub fn entries(&self) -> &[ConfigEntry] {
        &self.entries
    }

    /// Top-level sections that the program does not know.
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

/// The section that the engine reads.
const STORAGE: &str = "storage";

fn merge(sources: &ConfigSources, schema: &Json, sections: &[Section]) -> Result<Figment> {
    let mut defaults = json!({ STORAGE: of_type::defaults::<StorageConfig>()? });
    for section in sections {
        defaults[section.name()] = section.defaults()?;
    }
    let mut figment = Figment::from(file::Layer::new("default", defaults));
    if let Some(path) = &sources.file {
        figment = figment.merge(file::read(path)?);
    }
    let environment = environment::layer(&sources.environment, schema, sections)?;
    figment = figment.merge(file::Layer::new("environment", environment));
    for (path, value) in &sources.overrides {
        figment = figment.merge(file::Layer::nested("command line", path, value.clone()));
    }
    Ok(figment)
}

/// Takes what is read of the sections of other programs; what is no section there has nothing.
fn take_parts(top: &mut Map<String, Json>, sections: &[Section]) -> Map<String, Json> {
    let mut taken = Map::new();
    for section in sections {
        let Some(keys) = section.part() else { continue };
        let mut given = match top.remove(section.name()) {
            Some(Json::Object(fields)) => fields,
            _ => Map::new(),
        };
        given.retain(|key, _| keys.contains(key));
        taken.insert(section.name().to_owned(), Json::Object(given));
    }
    taken
}

/// Takes the program's own sections, filled and checked.
fn take_sections(
    top: &mut Map<String, Json>,
    sections: &[Section],
    environment: &[(String, String)],
) -> Result<Map<String, Json>> {
    let mut taken = Map::new();
    for section in sections.iter().filter(|section| section.part().is_none()) {
        let given = Json::Object(take_section(top, section.name())?);
        let given = fill(given, section.name(), environment)?;
        section.check(&given)?;
        taken.insert(section.name().to_owned(), given);
    }
    Ok(taken)
}

fn take_section(top: &mut Map<String, Json>, name: &str) -> Result<Map<String, Json>> {
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
    let own = of_type::property_names::<StorageConfig>();
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
