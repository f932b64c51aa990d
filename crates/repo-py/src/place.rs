//! How Python names a store: by URL, by a configuration file, or by a configuration.

use std::path::PathBuf;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use repo_core::strategy::Registry;
use repo_core::{Error, ErrorKind, Result};
use repo_engine::Chosen;
use repo_engine::config::{Config, ConfigSources};
use serde_json::{Value as Json, json};

use crate::errors::checked;
use crate::text::with_json;

/// How a store is named.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Url(String),
    File(PathBuf),
    Config(Json),
}

/// A store that is chosen, and the configuration that goes with it.
#[derive(Debug)]
pub(crate) struct ChosenPlace {
    pub(crate) store: Chosen,
    pub(crate) config: Config,
}

impl Place {
    /// A string is a URL, a path-like object a configuration file, anything else a
    /// configuration as values.
    pub(crate) fn of(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(url) = given.cast::<PyString>() {
            return Ok(Self::Url(url.to_cow()?.into_owned()));
        }
        if given.hasattr("__fspath__")? {
            return Ok(Self::File(given.extract()?));
        }
        if !given.hasattr("keys")? {
            return Err(PyTypeError::new_err(
                "a store is named by a URL (str), a configuration file (os.PathLike) or a \
                 configuration (a mapping)",
            ));
        }
        let py = given.py();
        with_json(given, |text| {
            let read = serde_json::from_str(text).map_err(|source| {
                Error::new(ErrorKind::ConfigInvalid, "read the configuration", source.to_string())
            });
            checked(py, read).map(Self::Config)
        })
    }

    /// Chooses the store. `routes` are places that it may move to, beside those of its
    /// configuration.
    pub(crate) fn choose(self, registry: &Registry, routes: &[String]) -> Result<ChosenPlace> {
        let mut sources = match &self {
            Self::File(file) => ConfigSources::from_environment(Some(file.clone())),
            Self::Config(_) => ConfigSources::from_environment(None),
            Self::Url(_) => ConfigSources::default(),
        };
        let mut set = |path: &str, value| sources.overrides.push((path.to_owned(), value));
        match &self {
            // What is chosen there is not used: this one has no setting to be wrong.
            Self::Url(_) => set("storage.strategy", "memory".into()),
            Self::Config(values) => set("storage", storage(values)?),
            Self::File(_) => {}
        }
        let mut config = Config::load(&sources, registry, &[])?;
        if !routes.is_empty() {
            let all = config.storage().routes.iter().chain(routes).collect::<Vec<_>>();
            sources.overrides.push(("storage.routes".to_owned(), json!(all)));
            config = Config::load(&sources, registry, &[])?;
        }
        let store = match &self {
            Self::Url(url) => Chosen::by_url(registry, url)?,
            Self::File(_) | Self::Config(_) => config.chosen()?,
        };
        Ok(ChosenPlace { store, config })
    }
}

/// The section of a configuration that the engine reads.
fn storage(values: &Json) -> Result<Json> {
    match values.get("storage") {
        Some(storage @ Json::Object(_)) => Ok(storage.clone()),
        _ => Err(Error::new(
            ErrorKind::ConfigInvalid,
            "read the configuration",
            "it has no section `storage` that is an object",
        )
        .hint(r#"{"storage": {"strategy": "sqlite", "sql_strategy": {"name": "app.db"}}}"#)),
    }
}
