//! The indexes that a collection's schema declares, kept in memory.
//!
//! An index serves `$eq` and `$in` on its first field: it gives candidates,
//! which the filter then checks. Indexes with the same first field share one
//! set. Only a hash of the value (64 bits) and the id are kept, about 60 bytes
//! an entity, so a candidate may be wrong, and none is missed. The other fields
//! of an index only stand in its name.

use std::collections::BTreeSet;
use std::sync::Arc;

use repo_core::strategy::SortKey;
use repo_core::{CollectionSchema, Document, FieldPath, Filter, Value};

use crate::env::memory_hash;

/// The indexes of one collection.
#[derive(Debug)]
pub(crate) struct Indexes {
    indexes: Vec<Index>,
    /// Whether every document is in them; while they are being filled, only
    /// those that were written or seen since.
    pub(crate) complete: bool,
    /// Distinguishes these indexes from others that took their place: a caller
    /// that fills these must not continue in those.
    pub(crate) identity: Arc<()>,
}

#[derive(Debug)]
struct Index {
    first: FieldPath,
    /// Hash of the first field's value, and the id.
    entries: BTreeSet<(u64, Arc<str>)>,
}

/// Which index a filter can use.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Usable {
    /// The first field.
    first: FieldPath,
    /// The name of the index, as operators know it.
    pub(crate) name: String,
    /// The values that its first field must be one of.
    values: Vec<Value>,
}

/// The indexes of `schema` that can find what `filter` asks for. Of two with
/// the same first field the one whose fields the filter names most.
pub(crate) fn usable(schema: &CollectionSchema, filter: &Filter) -> Vec<Usable> {
    let mut found: Vec<(usize, Usable)> = Vec::new();
    for fields in &schema.indexes {
        let Some(first) = fields.first() else { continue };
        let Some(values) = filter.required_values(first) else { continue };
        let named =
            fields.iter().take_while(|field| filter.required_values(field).is_some()).count();
        let usable =
            Usable { first: first.clone(), name: index_name(fields), values: values.to_vec() };
        match found.iter_mut().find(|(_, other)| other.first == usable.first) {
            None => found.push((named, usable)),
            Some(other) if other.0 < named => *other = (named, usable),
            Some(_) => {}
        }
    }
    found.into_iter().map(|(_, usable)| usable).collect()
}

/// `template_id-created_at-index`.
fn index_name(fields: &[FieldPath]) -> String {
    let mut name: String = fields.iter().map(|field| format!("{field}-")).collect();
    name.push_str("index");
    name
}

impl Indexes {
    /// Empty indexes of a schema.
    pub(crate) fn new(schema: &CollectionSchema) -> Self {
        let mut indexes: Vec<Index> = Vec::new();
        for first in schema.indexes.iter().filter_map(|fields| fields.first()) {
            if indexes.iter().all(|index| index.first != *first) {
                indexes.push(Index { first: first.clone(), entries: BTreeSet::new() });
            }
        }
        Self { indexes, complete: false, identity: Arc::default() }
    }

    /// Takes the entries of the old document out and those of the new one in.
    pub(crate) fn replace(&mut self, id: &str, old: Option<&Document>, new: Option<&Document>) {
        let id: Arc<str> = id.into();
        for index in &mut self.indexes {
            let hash = |document: Option<&Document>| {
                document.and_then(|document| document.get(&index.first)).map(|v| hash_of(&v))
            };
            let (old, new) = (hash(old), hash(new));
            // While they are being filled the old entry may not be there yet,
            // and the caller that fills them skips what was changed meanwhile.
            if self.complete && old == new {
                continue;
            }
            if let Some(old) = old {
                index.entries.remove(&(old, Arc::clone(&id)));
            }
            if let Some(new) = new {
                index.entries.insert((new, Arc::clone(&id)));
            }
        }
    }

    /// The ids that may match, ordered, each once: by whichever index gives
    /// the fewest. `None` when none of them is here.
    pub(crate) fn candidates<'u>(
        &self,
        usable: &'u [Usable],
    ) -> Option<(&'u Usable, Vec<Arc<str>>)> {
        usable
            .iter()
            .filter_map(|usable| {
                let index = self.indexes.iter().find(|index| index.first == usable.first)?;
                Some((usable, index.ids(&usable.values)))
            })
            .min_by_key(|(_, ids)| ids.len())
    }
}

impl Index {
    fn ids(&self, values: &[Value]) -> Vec<Arc<str>> {
        let hashes: BTreeSet<u64> = values.iter().map(hash_of).collect();
        let empty: Arc<str> = "".into();
        let mut ids: Vec<Arc<str>> = hashes
            .into_iter()
            .flat_map(|hash| {
                self.entries
                    .range((hash, Arc::clone(&empty))..)
                    .take_while(move |entry| entry.0 == hash)
                    .map(|entry| Arc::clone(&entry.1))
            })
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

fn hash_of(value: &Value) -> u64 {
    memory_hash(&SortKey::of(Some(value)))
}
