//! The engine's own items, which are kept in memory as the ids of all records are, in
//! `.meta`, and in the journal.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Bound;

use repo_core::strategy::{SystemCollection, SystemItem};

/// All items of a store.
#[derive(Debug, Default)]
pub(crate) struct Items(BTreeMap<(SystemCollection, String), String>);

/// The collection of this name.
pub(crate) fn collection_of(name: &str) -> Option<SystemCollection> {
    SystemCollection::ALL.iter().copied().find(|known| known.as_str() == name)
}

impl Items {
    pub(crate) fn get(&self, collection: SystemCollection, key: &str) -> Option<&str> {
        self.0.get(&(collection, key.to_owned())).map(String::as_str)
    }

    /// Sets or removes an item.
    pub(crate) fn set(&mut self, collection: SystemCollection, key: &str, value: Option<&str>) {
        let key = (collection, key.to_owned());
        match value {
            Some(value) => self.0.insert(key, value.to_owned()),
            None => self.0.remove(&key),
        };
    }

    /// At most `most` of those whose keys begin with `prefix` and come after `after`.
    pub(crate) fn list(
        &self,
        collection: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Vec<SystemItem> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded((collection, after.to_owned())),
            _ => Bound::Included((collection, prefix.to_owned())),
        };
        let all = self.0.range((from, Bound::Unbounded));
        all.take_while(|((of, key), _)| *of == collection && key.starts_with(prefix))
            .take(most.get())
            .map(|((_, key), value)| SystemItem::new(key.clone(), value.clone()))
            .collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Collection, key and value of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &str, &str)> {
        self.0.iter().map(|((of, key), value)| (of.as_str(), key.as_str(), value.as_str()))
    }
}
