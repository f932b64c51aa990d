//! Short words that the behaviours are written in.

use repo_core::{CollectionName, Document, EntityId, Key};

/// A collection name.
pub(crate) fn collection(name: &str) -> CollectionName {
    CollectionName::new(name).unwrap()
}

/// An id.
pub(crate) fn id(text: &str) -> EntityId {
    EntityId::new(text).unwrap()
}

/// A key.
pub(crate) fn key(collection_name: &str, id_text: &str) -> Key {
    Key::new(collection(collection_name), id(id_text))
}

/// The name of the id field of one of the fixture's collections.
pub(crate) fn id_field(collection_name: &str) -> &'static str {
    if collection_name == "things" { "thing_id" } else { "id" }
}

/// A document for a key; `fields` is JSON text such as `"n": 1, "s": "x"`.
pub(crate) fn document(key: &Key, fields: &str) -> Document {
    let id = serde_json::to_string(key.id.as_str()).unwrap();
    let comma = if fields.is_empty() { "" } else { "," };
    let name = id_field(key.collection.as_str());
    Document::parse(&format!("{{\"{name}\":{id}{comma}{fields}}}")).unwrap()
}
