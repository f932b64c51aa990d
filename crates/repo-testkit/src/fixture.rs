//! What every behaviour starts from: a place, a clock that stands still, and
//! the declared collections.

use std::sync::Arc;

use repo_core::strategy::OpenOptions;
use repo_core::{CollectionName, CollectionSchema, Key, ManualClock, Schemas, Timestamp};

use crate::{Place, Store};

/// One place with its clock and its collections:
///
/// - `items`, without a schema: id field `id`, no index;
/// - `things`, declared: id field `thing_id`, fields of every declared type,
///   indexes on single fields, on two fields and on a nested one;
/// - `notes`, a second one without a schema.
pub struct Fixture {
    place: Box<dyn Place>,
    /// The clock of every handle of this place.
    pub clock: Arc<ManualClock>,
    /// The declared collections.
    pub schemas: Arc<Schemas>,
}

/// The schema of `things`. It says which fields are indexed and of which type
/// they usually are; it forbids nothing, since that is the validation layer's.
const THINGS: &str = r#"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "x-repository": {
        "collection": "things",
        "idField": "thing_id",
        "indexes": [["status"], ["price"], ["count"], ["flag"], ["any"],
                    ["owner", "rank"], ["meta.kind"]],
        "schemaVersion": 3
    },
    "properties": {
        "thing_id": {"type": "string"},
        "status": {"type": "string"},
        "price": {"type": "number"},
        "count": {"type": "integer"},
        "flag": {"type": "boolean"},
        "owner": {"type": ["string", "null"]},
        "rank": {"type": "integer"},
        "tags": {"type": "array"},
        "meta": {"type": "object"},
        "any": {}
    }
}"#;

impl Fixture {
    /// A fixture on a place in which nothing was opened yet.
    pub fn new(place: impl Place + 'static) -> Self {
        let undeclared =
            ["items", "notes"].map(|name| CollectionSchema::undeclared(collection(name)));
        let things = CollectionSchema::parse(THINGS).unwrap();
        let start = Timestamp::parse("2026-03-01T08:00:00.123457Z").unwrap();
        Self {
            place: Box::new(place),
            clock: Arc::new(ManualClock::new(start)),
            schemas: Arc::new(undeclared.into_iter().chain([things]).collect()),
        }
    }

    /// Options with this fixture's clock and schemas.
    #[must_use]
    pub fn options(&self) -> OpenOptions {
        OpenOptions::default()
            .with_schemas(Arc::clone(&self.schemas))
            .with_clock(Arc::clone(&self.clock) as Arc<dyn repo_core::Clock>)
    }

    /// Opens the store with other options.
    ///
    /// # Errors
    /// Those of the place.
    pub async fn open_with(&self, options: OpenOptions) -> repo_core::Result<Store> {
        self.place.open(options).await
    }

    /// Opens the store for reading and writing, without preparing anything.
    pub async fn open(&self) -> Store {
        self.open_with(self.options()).await.unwrap()
    }

    /// Opens the store and prepares every declared collection.
    pub async fn prepared(&self) -> Store {
        let store = self.open().await;
        let schemas: Vec<CollectionSchema> = self.schemas.iter().cloned().collect();
        store.prepare(&schemas).await.unwrap();
        store
    }

    /// Closes a handle and opens the store again.
    pub async fn reopen(&self, store: Store) -> Store {
        store.close().await.unwrap();
        drop(store);
        self.open().await
    }

    /// Spoils what is stored under a key; see [`Place::spoil`].
    pub async fn spoil(&self, key: &Key) -> bool {
        self.place.spoil(key).await
    }

    /// A second handle at the same time where the store allows it, else the
    /// same one again.
    pub async fn second(&self, store: &Store) -> Store {
        if store.capabilities().multi_process { self.open().await } else { Arc::clone(store) }
    }
}

fn collection(name: &str) -> CollectionName {
    CollectionName::new(name).unwrap()
}

/// The name of the id field of one of the fixture's collections.
pub(crate) fn id_field(collection_name: &str) -> &'static str {
    if collection_name == "things" { "thing_id" } else { "id" }
}
