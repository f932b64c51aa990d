//! Where everything is: chosen by flags, the environment, a file, or a folder for data.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_core::strategy::{OpenOptions, StorageStrategy};
use repo_core::{Clock, Error, ErrorKind, Result, Schemas};
use repo_engine::config::{Config, ConfigSources, Section};
use repo_layers::{LayerConfig, NoSettings};
use repo_migrate::MigrationConfig;
use serde_json::Value as Json;

use super::section::ServerConfig;

/// The configuration file that is used when none is named.
const DEFAULT_FILE: &str = "repository.json";
/// A strategy without settings, for what does not depend on the configured one.
const NOT_CHOSEN: &str = "memory";
const SERVER: &str = "server";
const MIGRATION: &str = "migration";

/// What flags say; each goes before the environment and the file.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// The store, as a URL.
    pub store: Option<String>,
    /// Where the blobs are.
    pub blobs: Option<String>,
    /// The folder for data.
    pub data: Option<PathBuf>,
    /// Where the server listens.
    pub listen: Option<std::net::SocketAddr>,
}

/// Everything that was chosen, nothing opened yet.
#[derive(Debug)]
pub struct Place {
    /// The section `server`, with the flags over it.
    pub server: ServerConfig,
    /// The section `migration`.
    pub migration: MigrationConfig,
    /// The store.
    pub store: Chosen,
    /// Where the blobs are.
    pub blobs: String,
    /// The folder for data.
    pub data: PathBuf,
}

/// The store that was chosen, with the limits and layers of the configuration.
#[derive(Debug)]
pub struct Chosen {
    store: repo_engine::Chosen,
    config: Config,
    /// Whether the configuration itself names the store, so that its routes are meant.
    by_config: bool,
    /// The collections that the configuration declares.
    pub declared: Schemas,
}

impl Place {
    /// Chooses.
    ///
    /// # Errors
    /// `ConfigInvalid` for a wrong configuration or URL; `Unsupported` for a strategy that
    /// was left out of this build.
    pub fn choose(flags: &Flags) -> Result<Self> {
        let environment = ConfigSources::from_environment(None).environment;
        let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists());
        let file = flags.config.clone().or_else(default);
        let configured = file.is_some() || ConfigSources::environment_counts(&environment);
        let by_config = configured && flags.store.is_none();
        let mut overrides = Vec::new();
        if !by_config {
            overrides.push(("storage.strategy".to_owned(), Json::from(NOT_CHOSEN)));
        }
        if let Some(listen) = flags.listen {
            overrides.push((format!("{SERVER}.listen"), Json::from(listen.to_string())));
        }
        if let Some(blobs) = &flags.blobs {
            overrides.push((format!("{SERVER}.blobs"), Json::from(blobs.as_str())));
        }
        let sections =
            [Section::of::<ServerConfig>(SERVER), Section::of::<MigrationConfig>(MIGRATION)];
        let sources = ConfigSources { file, environment, overrides };
        let config = Config::load(&sources, &repo_engine::registry(), &sections)?;
        for notice in config.notices() {
            tracing::warn!("{notice}");
        }
        Self::of(flags, config, configured, by_config)
    }

    fn of(flags: &Flags, config: Config, configured: bool, by_config: bool) -> Result<Self> {
        let server: ServerConfig = config.section(SERVER)?;
        let migration = config.section(MIGRATION)?;
        let data = flags.data.clone().or_else(|| server.data.clone());
        let data = data.map_or_else(default_folder, Ok)?;
        let store = match &flags.store {
            Some(url) => repo_engine::Chosen::by_url(config.registry(), url)?,
            None if configured => config.chosen()?,
            None => {
                let file = data.join("store.db");
                let url = format!("sqlite:{}", file.display());
                repo_engine::Chosen::by_url(config.registry(), &url)?
            }
        };
        let blobs = server.blobs.clone();
        let blobs = blobs.unwrap_or_else(|| data.join("blobs").display().to_string());
        let declared = if configured { config.schemas()? } else { Schemas::default() };
        let store = Chosen { store, config, by_config, declared };
        Ok(Self { server, migration, store, blobs, data })
    }

    /// Makes the folder for data, for its owner alone.
    ///
    /// # Errors
    /// `Unavailable` and `PermissionDenied` where the system refuses it.
    pub fn make_data_folder(&self) -> Result<()> {
        private_folder(&self.data).map_err(|source| {
            let kind = match source.kind() {
                std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                _ => ErrorKind::Unavailable,
            };
            Error::new(kind, "start", "the folder for data cannot be made")
                .with("folder", self.data.display())
                .with("reason", &source)
                .caused_by(source)
                .hint("name another one with --data DIR")
        })
    }
}

impl Chosen {
    /// The chosen store itself.
    #[must_use]
    pub fn engine(&self) -> &repo_engine::Chosen {
        &self.store
    }

    /// A store of another URL with the same limits.
    ///
    /// # Errors
    /// As for the first one.
    pub fn other(&self, url: &str) -> Result<repo_engine::Chosen> {
        repo_engine::Chosen::by_url(self.config.registry(), url)
    }

    /// The places that the store may move to, by `storage.routes`.
    ///
    /// # Errors
    /// `ConfigInvalid` for a URL that is none.
    pub fn routes(&self) -> Result<Vec<repo_engine::Chosen>> {
        let urls = if self.by_config { self.config.storage().routes.as_slice() } else { &[] };
        urls.iter().map(|url| self.other(url)).collect()
    }

    /// What stores are opened with.
    #[must_use]
    pub fn options(&self, schemas: &Arc<Schemas>, read_only: bool) -> OpenOptions {
        self.config.options(Arc::clone(schemas)).with_read_only(read_only)
    }

    /// Opens the store as it is: nothing is made, and no layer stands around it.
    ///
    /// # Errors
    /// `NotFound` for a store that does not exist and is opened for reading only; else what
    /// the store reports.
    pub async fn open(
        &self,
        schemas: &Arc<Schemas>,
        read_only: bool,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let options = self.options(schemas, read_only);
        let store = self.store.open(options.clone()).await?;
        if self.by_config { self.config.routed(store, options).await } else { Ok(store) }
    }

    /// Puts the layers of the configuration around an open store; metrics are always among
    /// them. What has outlived its time to live by `clock` is out of sight.
    ///
    /// # Errors
    /// `ConfigInvalid` for layers that make no sense together, or a schema that cannot be
    /// compiled.
    pub fn layered(
        &self,
        store: Arc<dyn StorageStrategy>,
        schemas: &Schemas,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let measured = |layer: &LayerConfig| matches!(layer, LayerConfig::Metrics(_));
        let has_metrics = self.config.layers().iter().any(measured);
        let store = self.config.layered_by(store, schemas, clock)?;
        if has_metrics {
            return Ok(store);
        }
        repo_layers::stack(store, &[LayerConfig::Metrics(NoSettings {})], schemas)
    }
}

fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Where a person's programs keep their data.
fn default_folder() -> Result<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = match of("XDG_DATA_HOME") {
        Some(folder) => Some(PathBuf::from(folder)),
        None => of("HOME").map(|home| PathBuf::from(home).join(".local/share")),
    };
    base.filter(|base| base.is_absolute()).map(|base| base.join("repo-server")).ok_or_else(|| {
        let why = "neither XDG_DATA_HOME nor HOME says where data are kept";
        Error::new(ErrorKind::ConfigInvalid, "start", why).hint("name a folder with --data DIR")
    })
}
