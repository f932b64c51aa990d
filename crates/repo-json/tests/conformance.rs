//! The conformance suite on every layout of the JSON strategy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod wrapped;

use std::fs::{File, FileTimes};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use repo_core::strategy::{OpenOptions, StrategyFactory as _};
use repo_core::{Key, Result};
use repo_json::JsonFactory;
use repo_testkit::{Place, Store};
use serde_json::{Value as Json, json};

/// A folder of its own and the settings to open it with.
struct JsonPlace {
    folder: tempfile::TempDir,
    settings: Json,
}

impl JsonPlace {
    fn new(settings: Json) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), settings }
    }
}

#[async_trait]
impl Place for JsonPlace {
    async fn open(&self, options: OpenOptions) -> Result<Store> {
        let mut settings = self.settings.clone();
        settings["base_path"] = json!(self.folder.path().join("store"));
        JsonFactory.open(&settings, options).await
    }

    /// The id within the document, by a byte that changes where it stands: the
    /// file keeps its size and time.
    async fn spoil(&self, key: &Key) -> bool {
        let folder = self.folder.path().join("store");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let holding = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "json");
        files.filter(holding).any(|path| change_last(&path, &format!("\"{}\"", key.id)))
    }
}

/// Changes the last place where a text stands in a file.
fn change_last(path: &Path, text: &str) -> bool {
    let content = std::fs::read_to_string(path).unwrap();
    let Some(at) = content.rfind(text) else { return false };
    let file = File::options().write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"?", at as u64 + 1).unwrap();
    file.set_times(FileTimes::new().set_modified(modified)).unwrap();
    true
}

repo_testkit::conformance!(single_file, || async {
    JsonPlace::new(json!({ "storage_type": "single_file" }))
});
repo_testkit::conformance!(split_files, || async {
    JsonPlace::new(json!({ "storage_type": "split_files", "cache_size": 0 }))
});
#[cfg(feature = "compression")]
repo_testkit::conformance!(compressed_files, || async {
    let settings = json!({ "storage_type": "split_files", "enable_compression": true });
    JsonPlace::new(settings)
});
repo_testkit::conformance!(wrapped_files, || async { wrapped::WrappedPlace::new() });

repo_testkit::differential!(single_file_answers_as_the_reference_does, || async {
    JsonPlace::new(json!({ "storage_type": "single_file" }))
});
#[cfg(feature = "compression")]
repo_testkit::differential!(compressed_files_answer_as_the_reference_does, || async {
    JsonPlace::new(json!({ "storage_type": "single_file", "enable_compression": true }))
});
repo_testkit::differential!(split_files_answer_as_the_reference_does, || async {
    JsonPlace::new(json!({ "storage_type": "split_files", "cache_size": 3 }))
});
