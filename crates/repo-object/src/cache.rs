//! The documents that were used last.

use std::collections::HashMap;

use repo_core::{CollectionName, Document, EntityId};

use crate::hex::Hex16;

/// What a kept document takes beside its text and its key, in bytes, about.
const OVERHEAD: u64 = 200;

/// Documents of at most so many bytes. Two halves: what is used moves into the young one; when
/// that is full it becomes the old one, and the old one goes.
#[derive(Debug)]
pub(crate) struct Cache {
    half: u64,
    young: Half,
    old: Half,
}

type Key = (CollectionName, EntityId);

#[derive(Debug, Default)]
struct Half {
    kept: HashMap<Key, (Hex16, Document)>,
    bytes: u64,
}

impl Cache {
    pub(crate) fn new(bytes: u64) -> Self {
        Self { half: bytes / 2, young: Half::default(), old: Half::default() }
    }

    /// The document of a key that has this digest, if it is here.
    pub(crate) fn get(
        &mut self,
        collection: &CollectionName,
        id: &EntityId,
        digest: Hex16,
    ) -> Option<Document> {
        let key = (collection.clone(), id.clone());
        if let Some((known, document)) = self.young.kept.get(&key) {
            return (*known == digest).then(|| document.clone());
        }
        let (known, document) = self.old.take(&key)?;
        if known != digest {
            return None;
        }
        self.insert(key, known, document.clone());
        Some(document)
    }

    /// Keeps a document in the place of what was kept for its key.
    pub(crate) fn put(
        &mut self,
        collection: &CollectionName,
        id: &EntityId,
        digest: Hex16,
        document: Document,
    ) {
        self.insert((collection.clone(), id.clone()), digest, document);
    }

    fn insert(&mut self, key: Key, digest: Hex16, document: Document) {
        let size = size_of(&key, &document);
        if size > self.half {
            return;
        }
        self.young.take(&key);
        if self.young.bytes + size > self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.bytes += size;
        self.young.kept.insert(key, (digest, document));
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.young = Half::default();
        self.old = Half::default();
    }
}

impl Half {
    fn take(&mut self, key: &Key) -> Option<(Hex16, Document)> {
        let (digest, document) = self.kept.remove(key)?;
        self.bytes = self.bytes.saturating_sub(size_of(key, &document));
        Some((digest, document))
    }
}

fn size_of(key: &Key, document: &Document) -> u64 {
    OVERHEAD + key.1.as_str().len() as u64 + document.as_str().len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_is_used_and_never_more_than_its_bytes() {
        let name: CollectionName = "c".parse().unwrap();
        let id = |n: usize| EntityId::new(&format!("m-{n:03}")).unwrap();
        let document = Document::parse("{\"id\":\"m\"}").unwrap();
        let digest = Hex16::of(&document.digest());
        let size = OVERHEAD + 5 + 10;
        let mut cache = Cache::new(size * 10);
        for n in 0..100 {
            cache.put(&name, &id(n), digest, document.clone());
            assert!(cache.get(&name, &id(0), digest).is_some(), "in use: {n}");
            assert!(cache.young.bytes + cache.old.bytes <= size * 10);
            assert_eq!(cache.young.bytes, cache.young.kept.len() as u64 * size);
        }
        assert!(cache.get(&name, &id(1), digest).is_none());
        assert!(cache.get(&name, &id(0), Hex16::of_text("other")).is_none());
        cache.clear();
        assert!(cache.get(&name, &id(0), digest).is_none());
        let mut none = Cache::new(0);
        none.put(&name, &id(1), digest, document);
        assert!(none.get(&name, &id(1), digest).is_none());
    }
}
