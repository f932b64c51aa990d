//! The settings under `storage.files_strategy`.

use std::path::PathBuf;

use repo_core::strategy::read_settings;
use repo_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Where the settings stand.
const AT: &str = "storage.files_strategy";

/// The settings of the files of another program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct FilesSettings {
    /// The folder that holds the files; relative to the working directory.
    pub base_path: PathBuf,
}

impl Default for FilesSettings {
    fn default() -> Self {
        Self { base_path: PathBuf::from(".") }
    }
}

impl FilesSettings {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// `ConfigInvalid` for an unknown key or a wrong value.
    pub fn read(settings: &Json) -> Result<Self> {
        let settings: Self = read_settings(AT, settings)?;
        if settings.base_path.as_os_str().is_empty() {
            let why = "base_path names no folder";
            return Err(Error::new(ErrorKind::ConfigInvalid, "read the configuration", why)
                .with("at", format!("{AT}.base_path")));
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_folder_is_named_and_nothing_else() {
        let settings = FilesSettings::read(&json!({"base_path": "work"})).unwrap();
        assert_eq!(settings.base_path, PathBuf::from("work"));
        for wrong in [json!({"base_path": ""}), json!({"base_pth": "x"}), json!({"base_path": 1})] {
            let error = FilesSettings::read(&wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{wrong}");
        }
    }
}
