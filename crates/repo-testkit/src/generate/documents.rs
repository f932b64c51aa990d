//! Documents for a key.

use std::collections::BTreeMap;
use std::fmt;

use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::select;
use repo_core::{Document, Key};

use super::values::{quoted, value};

/// The names that documents, filters and orders have in common: declared and
/// indexed ones, others, and one that holds objects.
pub(super) const NAMES: [&str; 8] =
    ["status", "price", "count", "any", "owner", "rank", "free", "meta"];

/// The fields of a document besides its id: name to JSON text.
#[derive(Clone, PartialEq, Eq)]
pub struct Fields(pub BTreeMap<String, String>);

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
        write!(f, "{{{}}}", members.join(","))
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Fields {
    /// The document under `key`, whose id field says `id`.
    #[must_use]
    pub fn document(&self, key: &Key, id: &str) -> Document {
        let name = crate::fixture::id_field(key.collection.as_str());
        let members = self.to_string();
        let comma = if self.0.is_empty() { "" } else { "," };
        let text = format!("{{\"{name}\":{}{comma}{}", quoted(id), &members[1..]);
        Document::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }
}

/// Fields from the common names, sometimes a nested one to filter and order by.
pub fn fields() -> impl Strategy<Value = Fields> {
    let nested = value().prop_map(|value| format!("{{\"kind\":{value}}}"));
    let name = select(&NAMES[..]).prop_map(str::to_owned);
    (btree_map(name, value(), 0..5), proptest::option::weighted(0.3, nested)).prop_map(
        |(mut fields, nested)| {
            if let Some(nested) = nested {
                fields.insert("meta".to_owned(), nested);
            }
            Fields(fields)
        },
    )
}

/// A document for a key.
pub fn document(key: Key) -> impl Strategy<Value = Document> {
    fields().prop_map(move |fields| fields.document(&key, key.id.as_str()))
}
