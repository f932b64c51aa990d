//! What only the objects can show: lost answers, pauses, checkpoints that are broken off,
//! damage, and how many requests a call is.

mod checkpoints;
mod damage;
mod limits;
mod pauses;
mod requests;
mod scrubbing;
mod wire;
mod writes;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use repo_blob::NamedObjects;
use repo_core::strategy::{
    OpenOptions, ScanOptions, StorageStrategy as _, StorageStrategyExt as _,
};
use repo_core::{
    CollectionName, CollectionSchema, Consistency, Document, EntityId, Key, ManualClock, Result,
    Schemas, Timestamp,
};

use self::wire::Wire;
use crate::config::ObjectSettings;
use crate::env::Limits;
use crate::strategy::ObjectStrategy;

/// A store of its own, over a wire.
struct Fixture {
    wire: Arc<Wire>,
    settings: ObjectSettings,
    limits: Limits,
    clock: Arc<ManualClock>,
}

impl Fixture {
    fn new() -> Self {
        let start = Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
        Self {
            wire: Arc::default(),
            // Nothing is made but what a test asks for.
            settings: ObjectSettings {
                checkpoint_every: NonZeroU32::new(1_000_000).unwrap(),
                ..ObjectSettings::default()
            },
            limits: Limits::default(),
            clock: Arc::new(ManualClock::new(start)),
        }
    }

    /// What no checkpoint needs goes at once, so no handle may believe what it knows. Only for
    /// handles that take turns: within a call of one nobody else may write.
    fn without_grace(mut self) -> Self {
        self.limits.grace = Duration::ZERO;
        self.limits.stale_after = Duration::ZERO;
        self
    }

    /// Every record is read from an object.
    fn without_cache(mut self) -> Self {
        self.settings.cache_bytes = 0;
        self
    }

    fn objects(&self) -> NamedObjects {
        let wire: Arc<Wire> = Arc::clone(&self.wire);
        NamedObjects::over(wire, "wire")
    }

    fn options(&self) -> OpenOptions {
        let clock: Arc<dyn repo_core::Clock> = Arc::clone(&self.clock) as _;
        OpenOptions::default().with_clock(clock).with_schemas(Arc::new(schemas()))
    }

    async fn try_open(&self, options: OpenOptions) -> Result<ObjectStrategy> {
        let (settings, limits) = (self.settings.clone(), self.limits);
        let objects = settings.over(self.objects());
        ObjectStrategy::open_with(objects, settings, options, limits).await
    }

    async fn open(&self) -> ObjectStrategy {
        self.try_open(self.options()).await.unwrap()
    }

    async fn prepared(&self) -> ObjectStrategy {
        let store = self.open().await;
        store.prepare(&schemas().iter().cloned().collect::<Vec<_>>()).await.unwrap();
        store
    }

    /// The names of all objects of a folder.
    async fn names(&self, folder: &str) -> Vec<String> {
        let listed = self.objects().listed_after(folder, None, 100_000).await.unwrap();
        listed.into_iter().map(|object| object.name).collect()
    }

    /// Every object, with its bytes.
    async fn everything(&self) -> BTreeMap<String, Vec<u8>> {
        let objects = self.objects();
        let names: Vec<_> = objects.objects().try_collect().await.unwrap();
        let mut all = BTreeMap::new();
        for object in names {
            let bytes = objects.read_all(&object.name).await.unwrap().unwrap();
            all.insert(object.name, bytes.to_vec());
        }
        all
    }

    /// Whether a text stands in any object.
    async fn holds(&self, text: &str) -> bool {
        let has = |bytes: &Vec<u8>| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        self.everything().await.values().any(has)
    }
}

fn schemas() -> Schemas {
    ["machines", "requests"]
        .map(|name| CollectionSchema::undeclared(name.parse().unwrap()))
        .into_iter()
        .collect()
}

fn name(text: &str) -> CollectionName {
    text.parse().unwrap()
}

fn key(collection: &str, id: &str) -> Key {
    Key::new(name(collection), EntityId::new(id).unwrap())
}

fn document(id: &str, text: &str) -> Document {
    Document::from_serialize(&serde_json::json!({ "id": id, "text": text })).unwrap()
}

/// Saves a machine; its version.
async fn save(store: &ObjectStrategy, id: &str, text: &str) -> u64 {
    store.save(key("machines", id), document(id, text)).await.unwrap().version.get()
}

async fn delete(store: &ObjectStrategy, id: &str) {
    store.delete(key("machines", id)).await.unwrap().unwrap();
}

/// The text of a machine, if it is there.
async fn text(store: &ObjectStrategy, id: &str) -> Option<String> {
    let key = key("machines", id);
    let found = store.get(&key.collection, &key.id).await.unwrap()?;
    let value: serde_json::Value = found.document.deserialize().unwrap();
    Some(value["text"].as_str().unwrap().to_owned())
}

/// Every machine: its version, and its text if it is live.
async fn all(store: &ObjectStrategy) -> BTreeMap<String, (u64, Option<String>)> {
    let strong = ScanOptions::default().with_consistency(Consistency::Strong);
    let scan = store.scan(&name("machines"), strong).await.unwrap();
    let mut found = BTreeMap::new();
    for record in repo_testkit::batches(scan).await.unwrap().concat() {
        let text = record.document().map(|document| {
            let value: serde_json::Value = document.deserialize().unwrap();
            value["text"].as_str().unwrap().to_owned()
        });
        found.insert(record.id().to_string(), (record.version().get(), text));
    }
    found
}
