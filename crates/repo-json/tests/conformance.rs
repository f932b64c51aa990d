//! The conformance suite on every layout of the JSON strategy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod wrapped;

use async_trait::async_trait;
use repo_core::Result;
use repo_core::strategy::{OpenOptions, StrategyFactory as _};
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
}

repo_testkit::conformance!(single_file, || async {
    JsonPlace::new(json!({ "storage_type": "single_file" }))
});
repo_testkit::conformance!(split_files, || async {
    JsonPlace::new(json!({ "storage_type": "split_files", "cache_size": 0 }))
});
repo_testkit::conformance!(wrapped_files, || async { wrapped::WrappedPlace::new() });

repo_testkit::differential!(single_file_answers_as_the_reference_does, || async {
    JsonPlace::new(json!({ "storage_type": "single_file" }))
});
repo_testkit::differential!(split_files_answer_as_the_reference_does, || async {
    JsonPlace::new(json!({ "storage_type": "split_files", "cache_size": 3 }))
});
