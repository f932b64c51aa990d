//! What every command starts from: the flags, the configuration, the
//! collections, and the store that they name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cli_archives::Configured;
use cli_output::failure::{usage, wrong_usage};
use cli_output::output::Output;
use repo_core::strategy::{OnUnreadable, OpenOptions, Registry, StorageStrategy};
use repo_core::{CollectionName, CollectionSchema, ErrorKind, Result, Schemas};
use repo_engine::config::{Config, ConfigSources};
use repo_engine::presets;
use repo_layers::check_schemas;
use serde_json::Value as Json;

use super::args::{CommonArgs, StoreArgs};
use super::configuration::{blobs, migration, sections};

/// The configuration file that is used when none is named.
pub(crate) const DEFAULT_FILE: &str = "repository.json";

/// With a store named by URL the file's own choice is not used; this one has
/// no settings that could be wrong.
const NOT_CHOSEN: &str = "memory";

/// The command lines of the programs, for completions and manual pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Programs {
    pub(crate) repoctl: fn() -> clap::Command,
    pub(crate) migrate_repository: fn() -> clap::Command,
}

/// The flags and what they lead to.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) programs: Programs,
    pub(crate) registry: Registry,
    pub(crate) output: Output,
    pub(crate) common: CommonArgs,
    pub(crate) store: StoreArgs,
    environment: Vec<(String, String)>,
    reported: Mutex<BTreeSet<String>>,
}

/// What a command does with its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It reads: a store that is not there is an error, and nothing is made. So
    /// `count` on a mistyped path makes no store, and a look at files that
    /// another tool edited records no edits.
    Read,
    /// It reads what can be read; scans say what cannot.
    ReadWhatCan,
    /// It reads everything, and names all that cannot be read before it fails.
    ReadToName,
    /// It writes.
    Write,
}

/// A store that is chosen and not yet opened.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) store: repo_engine::Chosen,
    /// The only collections that are read of it; `None` for all.
    only: Option<Arc<BTreeSet<CollectionName>>>,
}

/// An open store with its collections.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn StorageStrategy>,
    pub(crate) schemas: Arc<Schemas>,
    output: Output,
}

impl Context {
    pub(crate) fn new(programs: Programs, common: CommonArgs, store: StoreArgs) -> Self {
        Self {
            programs,
            registry: repo_engine::registry(),
            output: Output { format: common.format.into(), quiet: common.quiet },
            environment: ConfigSources::from_environment(None).environment,
            common,
            store,
            reported: Mutex::default(),
        }
    }

    /// The configuration file: the one that is named, or the default one if
    /// it is there.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists());
        self.common.config.clone().or_else(default)
    }

    /// The configuration file, or `None` where variables of the environment
    /// are the configuration; this command cannot do without one of them.
    pub(crate) fn need_configuration(&self) -> Result<Option<PathBuf>> {
        let file = self.file();
        if file.is_some() || ConfigSources::environment_counts(&self.environment) {
            return Ok(file);
        }
        Err(wrong_usage(
            "find the configuration",
            "there is no configuration: no configuration file, and no variable that begins with \
             REPO_STORAGE__",
        )
        .with("file", format!("./{DEFAULT_FILE}"))
        .hint(
            "name a file with --config FILE, set REPO_STORAGE__STRATEGY, or name the store \
             itself: --store json:DIR, --store sqlite:FILE, --store postgresql://USER@HOST/NAME, \
             --store dynamodb:PREFIX, --store object:s3://BUCKET/PREFIX (migrate and verify: \
             --source and --target)",
        ))
    }

    /// Loads a configuration for one strategy, or, with `None`, for what does
    /// not depend on its choice of a store.
    pub(crate) fn load(&self, file: Option<&Path>, strategy: Option<&str>) -> Result<Config> {
        self.load_with(file, &[("storage.strategy", strategy.unwrap_or(NOT_CHOSEN))])
    }

    /// Loads the configuration as it stands, with what the flags choose.
    pub(crate) fn load_chosen(&self, file: Option<&Path>) -> Result<Config> {
        let strategy = self.store.strategy.as_deref();
        let overrides: Vec<_> =
            strategy.map(|name| ("storage.strategy", name)).into_iter().collect();
        self.load_with(file, &overrides)
    }

    fn load_with(&self, file: Option<&Path>, overrides: &[(&str, &str)]) -> Result<Config> {
        let sources = ConfigSources {
            file: file.map(Path::to_owned),
            environment: self.environment.clone(),
            overrides: overrides
                .iter()
                .map(|(path, value)| ((*path).to_owned(), Json::from(*value)))
                .collect(),
        };
        let config = Config::load(&sources, &self.registry, &sections())?;
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        for notice in config.notices() {
            // A command may load the file several times, for several stores.
            if reported.insert(notice.clone()) {
                self.output.warning(&notice);
            }
        }
        drop(reported);
        Ok(config)
    }

    /// The folder of the archives: the one that is named, else the configured one.
    pub(crate) fn archives(&self, named: Option<&Path>) -> Result<PathBuf> {
        match named {
            Some(folder) => Ok(folder.to_owned()),
            None => Ok(migration(&self.load(self.file().as_deref(), None)?)?.backup_location),
        }
    }

    /// The collections: from the flag, the configuration, or the built-in
    /// three.
    pub(crate) fn schemas(&self, config: &Config) -> Result<Arc<Schemas>> {
        match self.common.schemas()? {
            Some(schemas) => Ok(schemas),
            None => config.schemas().map(Arc::new),
        }
    }

    /// The collections of a command that needs no store.
    pub(crate) fn schemas_without_store(&self) -> Result<Arc<Schemas>> {
        match self.common.schemas()? {
            Some(schemas) => Ok(schemas),
            None => self.load(self.file().as_deref(), None)?.schemas().map(Arc::new),
        }
    }

    /// The store of a URL.
    pub(crate) fn by_url(&self, url: &str) -> Result<Chosen> {
        let store = repo_engine::Chosen::by_url(&self.registry, url)?;
        Ok(Chosen { store, only: None })
    }

    /// The store of a strategy with the settings in a configuration.
    pub(crate) fn by_name(&self, name: &str, config: &Config) -> Result<Chosen> {
        Ok(Chosen { store: config.chosen_as(name)?, only: None })
    }

    /// The store that the flags or the configuration name, with the
    /// configuration that goes with it.
    pub(crate) fn choose(&self) -> Result<(Chosen, Config)> {
        if let Some(url) = &self.store.store {
            let chosen = self.by_url(url)?;
            return Ok((chosen, self.load(self.file().as_deref(), None)?));
        }
        let config = self.load_chosen(self.need_configuration()?.as_deref())?;
        Ok((self.by_name(&config.storage().strategy, &config)?, config))
    }

    /// The blob store of the store that the configuration names; of a store that is named by URL
    /// it says nothing.
    pub(crate) fn blobs(&self, config: &Config) -> Configured {
        if self.store.store.is_some() { Ok(None) } else { blobs(config) }
    }

    /// Opens the store of this command.
    pub(crate) async fn open(&self, access: Access) -> Result<Opened> {
        self.open_only(access, None).await
    }

    /// The same for a command that reads these collections and no other.
    pub(crate) async fn open_only(
        &self,
        access: Access,
        only: Option<&[CollectionName]>,
    ) -> Result<Opened> {
        let (chosen, config) = self.choose()?;
        let chosen = chosen.only(only);
        let schemas = self.schemas(&config)?;
        let store = chosen.open(access, &config, &schemas).await?;
        let store = match &self.store.store {
            // The routes of the configuration belong to its own store.
            Some(_) => store,
            None => config.routed(store, chosen.options(access, &config, &schemas)).await?,
        };
        let store = config.layered(store, &schemas)?;
        Ok(Opened { store, schemas, output: self.output })
    }
}

impl Chosen {
    /// Reads these collections only; `None` for all.
    pub(crate) fn only(mut self, names: Option<&[CollectionName]>) -> Self {
        self.only = names.map(|names| Arc::new(names.iter().cloned().collect()));
        self
    }

    /// Opens the store.
    pub(crate) async fn open(
        &self,
        access: Access,
        config: &Config,
        schemas: &Arc<Schemas>,
    ) -> Result<Arc<dyn StorageStrategy>> {
        self.store.open(self.options(access, config, schemas)).await
    }

    /// Opens it for reading; a store that is not there yet is opened as it
    /// would be for writing, which makes nothing before `prepare`.
    pub(crate) async fn open_to_look(
        &self,
        config: &Config,
        schemas: &Arc<Schemas>,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let options = self.options(Access::Read, config, schemas);
        self.open_or_new(options, config, schemas).await
    }

    /// Opens a target for reading, as a run into it would find it: what another program
    /// keeps is refused in the words of that run.
    pub(crate) async fn open_as_target(
        &self,
        config: &Config,
        schemas: &Arc<Schemas>,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let options = self.options(Access::Read, config, schemas).with_foreign(false);
        self.open_or_new(options, config, schemas).await
    }

    /// Opens a store; one that is not there yet as for writing.
    async fn open_or_new(
        &self,
        options: OpenOptions,
        config: &Config,
        schemas: &Arc<Schemas>,
    ) -> Result<Arc<dyn StorageStrategy>> {
        match self.store.open(options).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.open(Access::Write, config, schemas).await
            }
            opened => opened,
        }
    }

    /// What a store is opened with.
    pub(crate) fn options(
        &self,
        access: Access,
        config: &Config,
        schemas: &Arc<Schemas>,
    ) -> OpenOptions {
        config
            .options(Arc::clone(schemas))
            .with_read_only(access != Access::Write)
            .with_unreadable(match access {
                Access::ReadWhatCan => OnUnreadable::SetAside,
                Access::ReadToName => OnUnreadable::NameAll,
                Access::Read | Access::Write => OnUnreadable::Fail,
            })
            .with_only(self.only.clone())
    }
}

impl Opened {
    /// Runs `work` and closes the store, whatever came out of it. An error of
    /// the work is reported, else one of closing as a warning beside the result.
    pub(crate) async fn close_after<T, E: From<repo_core::Error>>(
        &self,
        work: impl Future<Output = std::result::Result<T, E>>,
    ) -> std::result::Result<T, E> {
        let done = work.await;
        let closed = self.store.close().await;
        let value = done?;
        self.output.closed(closed);
        Ok(value)
    }

    /// The schema of a collection.
    pub(crate) fn schema(&self, collection: &CollectionName) -> CollectionSchema {
        self.schemas.get(collection)
    }
}

impl CommonArgs {
    /// The collections that the flags name, if they name any.
    fn schemas(&self) -> Result<Option<Arc<Schemas>>> {
        let schemas = match (&self.schemas, &self.preset) {
            (Some(dir), _) => schemas_in(dir)?,
            (None, Some(name)) => Arc::new(presets::named(name)?.schemas()?),
            (None, None) => return Ok(None),
        };
        Ok(Some(schemas))
    }
}

/// The collections of a folder.
fn schemas_in(dir: &Path) -> Result<Arc<Schemas>> {
    let schemas = Schemas::load_dir(dir)?;
    check_schemas(&schemas).map_err(|error| error.with("folder", dir.display()))?;
    Ok(Arc::new(schemas))
}

/// Reads a collection name that somebody typed.
pub(crate) fn collection(text: &str) -> Result<CollectionName> {
    CollectionName::new(text).map_err(usage)
}
