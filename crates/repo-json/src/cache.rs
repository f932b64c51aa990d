//! The documents that were used last.

use std::collections::HashMap;

use repo_core::{CollectionName, Document, EntityId};

/// At most `capacity` documents. Two halves: what is used moves into the young
/// one; when that is full it becomes the old one, and the old one goes.
#[derive(Debug)]
pub(crate) struct Cache {
    half: usize,
    /// Counts how often everything was forgotten.
    epoch: u64,
    young: Half,
    old: Half,
}

type Half = HashMap<(CollectionName, EntityId), (u64, Document)>;

impl Cache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { half: capacity / 2, epoch: 0, young: Half::new(), old: Half::new() }
    }

    /// The document of this version, if it is here.
    pub(crate) fn get(
        &mut self,
        collection: &CollectionName,
        id: &EntityId,
        version: u64,
    ) -> Option<Document> {
        let key = (collection.clone(), id.clone());
        if let Some((found, document)) = self.young.get(&key) {
            return (*found == version).then(|| document.clone());
        }
        let (found, document) = self.old.remove(&key)?;
        let hit = (found == version).then(|| document.clone());
        self.insert(key, found, document);
        hit
    }

    /// Keeps a document.
    pub(crate) fn put(
        &mut self,
        collection: &CollectionName,
        id: &EntityId,
        version: u64,
        document: Document,
    ) {
        self.insert((collection.clone(), id.clone()), version, document);
    }

    /// Counts how often everything was forgotten. Read it with the state lock
    /// held under which the slot is read.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Keeps a document whose slot was read in `epoch`. If another state was
    /// loaded since, it may be an older one of the same version, and is
    /// dropped.
    pub(crate) fn put_read_in(
        &mut self,
        epoch: u64,
        collection: &CollectionName,
        id: &EntityId,
        version: u64,
        document: Document,
    ) {
        if epoch == self.epoch {
            self.put(collection, id, version, document);
        }
    }

    fn insert(&mut self, key: (CollectionName, EntityId), version: u64, document: Document) {
        if self.half == 0 {
            return;
        }
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, (version, document));
    }

    /// Forgets everything: another state was loaded.
    pub(crate) fn clear(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_keeps_what_is_used_and_never_more_than_its_capacity() {
        let name: CollectionName = "c".parse().unwrap();
        let id = |n: usize| EntityId::new(&format!("m-{n}")).unwrap();
        let document = Document::parse("{\"id\":\"m\"}").unwrap();
        let mut cache = Cache::new(10);
        for n in 0..100 {
            cache.put(&name, &id(n), 1, document.clone());
            assert!(cache.get(&name, &id(0), 1).is_some(), "in use: {n}");
            assert!(cache.young.len() + cache.old.len() <= 10);
        }
        assert!(cache.get(&name, &id(1), 1).is_none());
        assert!(cache.get(&name, &id(0), 2).is_none(), "another version");
        let mut none = Cache::new(0);
        none.put(&name, &id(1), 1, document);
        assert!(none.get(&name, &id(1), 1).is_none());
    }

    #[test]
    fn what_was_read_before_it_was_cleared_is_dropped() {
        let name: CollectionName = "c".parse().unwrap();
        let id = EntityId::new("m").unwrap();
        let document = Document::parse("{\"id\":\"m\"}").unwrap();
        let mut cache = Cache::new(10);
        let before = cache.epoch();
        cache.clear();
        cache.put_read_in(before, &name, &id, 2, document.clone());
        assert!(cache.get(&name, &id, 2).is_none());
        cache.put_read_in(cache.epoch(), &name, &id, 2, document);
        assert!(cache.get(&name, &id, 2).is_some());
    }
}
