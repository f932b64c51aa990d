//! The settings of the JSON strategy.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use repo_core::strategy::read_settings;
use repo_core::{CollectionName, Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::errors;
use crate::packed::{IS_BUILT_IN, Packing};

/// The name of the data file of the single-file layout.
pub const DEFAULT_SINGLE_FILE: &str = "request_database.json";

/// The settings under `storage.json_strategy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct JsonSettings {
    /// How collections are laid out in files.
    pub storage_type: StorageType,
    /// The folder of the store; relative to the working directory.
    pub base_path: PathBuf,
    /// The names of the data files within the folder.
    pub filenames: Filenames,
    /// Whether data files are written with indentation.
    pub pretty_print: bool,
    /// Whether data files are copied before a checkpoint replaces them.
    pub backup_enabled: bool,
    /// How many of those copies are kept of each data file; the newest stay.
    pub backup_count: NonZeroUsize,
    /// The folder of those copies; `backups` within `base_path` unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_location: Option<PathBuf>,
    /// Documents kept in memory; 0 keeps none.
    pub cache_size: usize,
    /// Whether each commit is synced to the disk before it is acknowledged.
    /// With `false` a power failure can lose acknowledged commits.
    pub sync_writes: bool,
    /// Bytes buffered while a checkpoint is written.
    pub write_buffer_size: NonZeroUsize,
    /// When closing a store writes the journal back into the data files.
    pub checkpoint_on_close: CheckpointOnClose,
    /// Whether data files are compressed, each as one zstd stream named `….json.zst`.
    /// A store that is there stays as it is until `repoctl init`.
    pub enable_compression: bool,
}

/// How collections are laid out in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StorageType {
    /// All collections in one file.
    #[default]
    SingleFile,
    /// One file a collection.
    SplitFiles,
    /// As the folder has it; a new store is a single file. What `json:DIR`
    /// stands for.
    Detect,
}

/// When closing a store writes the journal back into the data files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckpointOnClose {
    /// Where the data files are of 8 MiB or less together, or the journal is
    /// longer than an eighth of them. Else the commits stay in the journal.
    #[default]
    Auto,
    /// Whenever the journal holds anything.
    Always,
    /// Never; the journal is written back by `repoctl checkpoint`, and when it
    /// has outgrown the data files.
    Never,
}

/// The names of the data files within the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Filenames {
    /// The file of the single-file layout.
    pub single_file: String,
    /// Collection → file of the split layout. A collection that is not named
    /// here is kept in `<collection>.json`.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, String>"))]
    pub split_files: BTreeMap<CollectionName, String>,
}

impl Default for Filenames {
    fn default() -> Self {
        Self { single_file: DEFAULT_SINGLE_FILE.to_owned(), split_files: BTreeMap::new() }
    }
}

impl Default for JsonSettings {
    fn default() -> Self {
        let count = |number| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
        Self {
            storage_type: StorageType::default(),
            base_path: PathBuf::from("data"),
            filenames: Filenames::default(),
            pretty_print: true,
            backup_enabled: false,
            backup_count: count(5),
            backup_location: None,
            cache_size: 1_000,
            sync_writes: true,
            write_buffer_size: count(64 * 1_024),
            checkpoint_on_close: CheckpointOnClose::default(),
            enable_compression: false,
        }
    }
}

impl JsonSettings {
    /// Reads and checks the settings block.
    ///
    /// # Errors
    /// `ConfigInvalid` for an unknown key, a wrong value or a file name that
    /// leads out of the folder; `Unsupported` for `enable_compression: true` in a program that is
    /// built without it.
    pub fn read(settings: &Json) -> Result<Self> {
        let settings: Self = read_settings(AT, settings)?;
        settings.check()?;
        Ok(settings)
    }

    /// Checks settings, also those that a program made.
    pub(crate) fn check(&self) -> Result<()> {
        if self.enable_compression && !IS_BUILT_IN {
            return Err(errors::without_compression("read the configuration").with("at", AT));
        }
        if self.base_path.as_os_str().is_empty() {
            return Err(invalid("base_path names no folder", "base_path", ""));
        }
        check_file_name("filenames.single_file", &self.filenames.single_file)?;
        let mut seen = BTreeMap::new();
        for (collection, file) in &self.filenames.split_files {
            check_file_name("filenames.split_files", file)?;
            if let Some(other) = seen.insert(file, collection) {
                return Err(invalid(
                    "two collections share one file",
                    "filenames.split_files",
                    file,
                )
                .with("collections", format!("{other}, {collection}")));
            }
        }
        Ok(())
    }

    /// How data files are to be kept; `None` where that is left to the store.
    pub(crate) fn packing(&self) -> Option<Packing> {
        let is_left = self.storage_type == StorageType::Detect && !self.enable_compression;
        (!is_left).then(|| Packing::of_setting(self.enable_compression))
    }

    /// The folder of the copies made before checkpoints.
    pub(crate) fn backup_folder(&self) -> PathBuf {
        self.backup_location.clone().unwrap_or_else(|| self.base_path.join("backups"))
    }
}

/// Where the block stands in the configuration.
const AT: &str = "storage.json_strategy";

fn check_file_name(key: &str, name: &str) -> Result<()> {
    let plain = !name.contains(['/', '\\', '\0']) && !name.starts_with('.') && !name.is_empty();
    if plain && Packing::Zstd.plain_name(name).is_none() {
        return Ok(());
    }
    if plain {
        let why = "the name of a data file does not end in .zst: that is added where \
                   enable_compression is true";
        return Err(invalid(why, key, name));
    }
    Err(invalid("a data file is a plain name that does not begin with a dot", key, name))
}

fn invalid(why: &str, key: &str, value: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "read the configuration", why)
        .with("at", format!("{AT}.{key}"))
        .with("value", format!("{value:?}"))
}
