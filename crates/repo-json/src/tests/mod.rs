//! What only the files can show: torn writes, crashes between two steps of a
//! checkpoint, edits by other tools, syncs that are shared or fail.

mod brokers;
mod closing;
#[cfg(feature = "compression")]
mod compressed;
#[cfg(feature = "compression")]
mod compressed_crash;
mod crash;
mod edited;
mod feed;
mod feed_crash;
mod files;
mod forms;
mod group;
mod guards;
mod handles;
mod history;
mod history_crash;
mod history_damage;
mod history_edits;
mod history_folder;
mod history_model;
mod layout_1;
mod layout_2;
mod live_crash;
mod live_move;
mod places;
mod refused;
mod resolved;
mod roles_crash;
mod scrub;
mod torn;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_core::strategy::{OpenOptions, ScanOptions, StorageStrategy, StorageStrategyExt as _};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, Error, Key, ManualClock, Result, Schemas,
    Timestamp,
};
use serde_json::{Value as Json, json};

use crate::config::JsonSettings;
use crate::env::Env;
use crate::hooks::{Hooks, Step};
use crate::strategy::JsonStrategy;

/// A store in a folder of its own.
struct Fixture {
    folder: tempfile::TempDir,
    settings: Json,
    clock: Arc<ManualClock>,
}

impl Fixture {
    fn new(settings: Json) -> Self {
        let start = Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
        let clock = Arc::new(ManualClock::new(start));
        Self { folder: tempfile::tempdir().unwrap(), settings, clock }
    }

    fn single() -> Self {
        Self::new(json!({}))
    }

    fn split() -> Self {
        Self::new(json!({ "storage_type": "split_files" }))
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Another tool writes a file.
    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path()).unwrap();
        fs::write(self.file(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    fn json(&self, name: &str) -> Json {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    fn settings(&self, path: &Path) -> Json {
        let mut settings = self.settings.clone();
        settings["base_path"] = json!(path);
        settings
    }

    fn options(&self, read_only: bool) -> OpenOptions {
        let clock: Arc<dyn repo_core::Clock> = Arc::clone(&self.clock) as _;
        OpenOptions::default()
            .with_read_only(read_only)
            .with_clock(clock)
            .with_schemas(Arc::new(schemas()))
    }

    fn try_open(&self, path: &Path, read_only: bool, hooks: Hooks) -> Result<JsonStrategy> {
        let settings = JsonSettings::read(&self.settings(path))?;
        JsonStrategy::open_here(Env::new(settings, self.options(read_only), hooks))
    }

    fn open(&self) -> JsonStrategy {
        self.try_open(&self.path(), false, Hooks::default()).unwrap()
    }

    fn open_read_only(&self) -> JsonStrategy {
        self.try_open(&self.path(), true, Hooks::default()).unwrap()
    }

    fn refused(&self) -> Error {
        let read_only = self.try_open(&self.path(), true, Hooks::default()).unwrap_err();
        let writing = self.try_open(&self.path(), false, Hooks::default()).unwrap_err();
        assert_eq!(read_only.to_string(), writing.to_string());
        writing
    }

    async fn prepared(&self) -> JsonStrategy {
        let store = self.open();
        store.prepare(&schemas().iter().cloned().collect::<Vec<_>>()).await.unwrap();
        store
    }
}

/// `machines` and `requests`, indexed by status.
fn schemas() -> Schemas {
    ["machines", "requests"]
        .map(|name| {
            let text = json!({
                "x-repository": {
                    "collection": name, "idField": "id",
                    "indexes": [["status"], ["owner", "n"]]
                }
            });
            CollectionSchema::parse(&text.to_string()).unwrap()
        })
        .into_iter()
        .collect()
}

fn name(text: &str) -> CollectionName {
    text.parse().unwrap()
}

fn key(collection: &str, id: &str) -> Key {
    Key::new(name(collection), EntityId::new(id).unwrap())
}

fn document(id: &str, n: u64) -> Document {
    let status = if n.is_multiple_of(2) { "EVEN" } else { "ODD" };
    let value = json!({ "id": id, "n": n, "status": status, "text": "é\"\\ \u{1F600}" });
    Document::from_serialize(&value).unwrap()
}

async fn save(store: &JsonStrategy, collection: &str, id: &str, n: u64) {
    store.save(key(collection, id), document(id, n)).await.unwrap();
}

async fn delete(store: &JsonStrategy, collection: &str, id: &str) {
    store.delete(key(collection, id)).await.unwrap().unwrap();
}

/// Everything that the store holds: key → version and document.
async fn all(store: &JsonStrategy) -> BTreeMap<String, (u64, Option<Json>)> {
    let mut found = BTreeMap::new();
    for collection in store.collections().await.unwrap() {
        let scan = store.scan(&collection, ScanOptions::default()).await.unwrap();
        for record in repo_testkit::batches(scan).await.unwrap().concat() {
            let document = record.document().map(|d| d.deserialize().unwrap());
            found.insert(record.key().to_string(), (record.version().get(), document));
        }
    }
    found
}

/// Every file of a folder with its content.
fn snapshot(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

/// Writes files into a new folder.
fn restore(files: &BTreeMap<String, Vec<u8>>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// A store of each layout.
fn layouts() -> Vec<Fixture> {
    let backups = json!({ "storage_type": "split_files", "backup_enabled": true });
    vec![Fixture::single(), Fixture::split(), Fixture::new(backups)]
}

/// Hooks by which a checkpoint ends at a step.
fn failing_at(step: Step) -> Hooks {
    let at = move |now| if now == step { Err(io::Error::other("stop")) } else { Ok(()) };
    Hooks { at: Some(Arc::new(at)), ..Hooks::default() }
}
