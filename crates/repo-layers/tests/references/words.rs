//! A store whose references are enforced, and short words for what is in it.

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{
    CollectionSchema, Document, Entity, Error, FieldKind, Key, Precondition, Schemas, Write,
};
use repo_layers::{Inner, Layer as _, REFERENCE_MARKS, ReferenceLayer};

use crate::site::Site;

pub(crate) struct World {
    /// Through the layer.
    pub(crate) store: Inner,
    /// The store itself.
    pub(crate) raw: Inner,
    // Behind the stores, whose connections end before.
    pub(crate) site: Site,
}

impl World {
    pub(crate) async fn at(site: Site) -> Self {
        let raw = site.open().await;
        let store = enforcing(raw.clone());
        store.prepare(&schemas()).await.unwrap();
        Self { store, raw, site }
    }

    /// Another process, where the store can have several; else the same handle again.
    pub(crate) async fn another(&self) -> Inner {
        match self.raw.capabilities().multi_process {
            true => enforcing(self.site.open().await),
            false => self.store.clone(),
        }
    }

    pub(crate) async fn entity(&self, key: &Key) -> Option<Entity> {
        live(&self.raw, key).await
    }

    pub(crate) async fn put(&self, key: &Key, fields: &str) {
        self.store.commit(vec![put(key, fields)]).await.unwrap();
    }
}

/// The layer around a store.
pub(crate) fn enforcing(raw: Inner) -> Inner {
    let schemas: Schemas = schemas().into_iter().collect();
    ReferenceLayer::new(&schemas).unwrap().around(raw)
}

/// - `requests` and `hosts` are referred to;
/// - `machines` refer to one request, which is declared to be a string, and to several hosts;
/// - `people` refer to each other, in a field of which nothing is declared.
pub(crate) fn schemas() -> Vec<CollectionSchema> {
    let undeclared = |name: &str| CollectionSchema::undeclared(name.parse().unwrap());
    let machines = CollectionSchema::builder("machines", "id")
        .reference("request_id", "requests")
        .reference("at.hosts", "hosts")
        .index(&["request_id"])
        .field("request_id", FieldKind::Text, true)
        .enforce_references()
        .build();
    let people = CollectionSchema::builder("people", "id")
        .reference("boss", "people")
        .enforce_references()
        .build();
    vec![undeclared("requests"), undeclared("hosts"), machines.unwrap(), people.unwrap()]
}

fn key(collection: &str, id: &str) -> Key {
    Key::new(collection.parse().unwrap(), id.parse().unwrap())
}

pub(crate) fn request(id: &str) -> Key {
    key("requests", id)
}

pub(crate) fn host(id: &str) -> Key {
    key("hosts", id)
}

pub(crate) fn machine(id: &str) -> Key {
    key("machines", id)
}

pub(crate) fn person(id: &str) -> Key {
    key("people", id)
}

/// The mark of an entity.
pub(crate) fn mark(of: &Key) -> Key {
    key(REFERENCE_MARKS, &of.to_string())
}

/// A document; `fields` is JSON text such as `"n": 1`.
pub(crate) fn document(key: &Key, fields: &str) -> Document {
    let comma = if fields.is_empty() { "" } else { "," };
    Document::parse(&format!(r#"{{"id":"{}"{comma}{fields}}}"#, key.id)).unwrap()
}

pub(crate) fn put(key: &Key, fields: &str) -> Write {
    put_if(key, fields, Precondition::Any)
}

pub(crate) fn put_if(key: &Key, fields: &str, precondition: Precondition) -> Write {
    Write::put(key.clone(), document(key, fields), precondition)
}

pub(crate) fn delete(key: &Key) -> Write {
    Write::delete(key.clone(), Precondition::Any)
}

pub(crate) async fn live(store: &Inner, key: &Key) -> Option<Entity> {
    store.get(&key.collection, &key.id).await.unwrap()
}

#[track_caller]
pub(crate) fn refused<T>(result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("the call went through where it has to be refused"),
        Err(error) => error,
    }
}

/// What an error says of the reference: which document, where, and to what.
pub(crate) fn of_reference(error: &Error) -> [&str; 3] {
    ["key", "pointer", "refers_to"].map(|name| error.context_value(name).unwrap_or("-"))
}

/// What an error says of a refused deletion: of what, and who refers to it where.
pub(crate) fn of_deletion(error: &Error) -> [&str; 4] {
    ["key", "referring_collection", "field", "id"]
        .map(|name| error.context_value(name).unwrap_or("-"))
}
