//! Where the files of a store are, if it is one of files.

use std::path::{Path, PathBuf};

use repo_engine::Chosen;
use serde_json::{Value, json};

/// The file or folder of a store, and the settings to open one like it elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Files {
    /// The path.
    pub place: PathBuf,
    chosen: Chosen,
    /// The setting that holds the path.
    setting: &'static str,
}

impl Files {
    /// Those of a store; `None` for a store that is no files.
    #[must_use]
    pub(super) fn of(chosen: &Chosen) -> Option<Self> {
        let setting = match chosen.factory.name() {
            "json" => "base_path",
            "sqlite" => "name",
            "sql" if chosen.settings.get("type") == Some(&json!("sqlite")) => "name",
            _ => return None,
        };
        let place = chosen.settings.get(setting).and_then(Value::as_str)?;
        Some(Self { place: PathBuf::from(place), chosen: chosen.clone(), setting })
    }

    /// The same kind of store at another path.
    #[must_use]
    pub(super) fn at(&self, place: &Path) -> Chosen {
        let mut chosen = self.chosen.clone();
        if let Some(settings) = chosen.settings.as_object_mut() {
            settings.insert(self.setting.to_owned(), json!(place.display().to_string()));
        }
        chosen
    }

    /// Files that a store of this path has besides.
    #[must_use]
    pub(super) fn companions(&self, place: &Path) -> Vec<PathBuf> {
        if self.setting != "name" {
            return Vec::new();
        }
        ["-wal", "-shm"]
            .iter()
            .map(|suffix| {
                let mut name = place.file_name().unwrap_or_default().to_owned();
                name.push(suffix);
                place.with_file_name(name)
            })
            .collect()
    }
}

/// The file or folder of a store, if it is one of files.
#[must_use]
pub fn files_of(chosen: &Chosen) -> Option<PathBuf> {
    Files::of(chosen).map(|files| files.place)
}
