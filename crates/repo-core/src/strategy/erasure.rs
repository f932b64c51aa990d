//! Records that were erased, and must not come back from an archive or another store.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::strategy::{
    StorageStrategy, StorageStrategyExt as _, SystemCollection, SystemItem, SystemWrite,
};
use crate::{CollectionName, EntityId, Error, ErrorKind, Key, Result, Timestamp, Version};

const READ: &str = "read what was erased";
/// Marks that one request reads.
const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(499);

/// The mark that an erased record leaves. It travels with migrations and archives, and
/// says nothing of the record: not even its id, of which it has a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// The last version that was erased. What somebody wrote later under the same id is
    /// another record.
    pub through: Version,
    /// When.
    pub at: Timestamp,
    /// Why, in the words of who did it.
    pub reason: String,
}

impl Erasure {
    /// Most bytes of a reason.
    pub const MAX_REASON_BYTES: usize = 4_096;

    /// A mark.
    ///
    /// # Errors
    /// `Invalid` for a reason that is empty, too long, or holds control characters.
    pub fn new(through: Version, at: Timestamp, reason: &str) -> Result<Self> {
        Self::check_reason(reason)?;
        Ok(Self { through, at, reason: reason.to_owned() })
    }

    /// Checks a reason.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn check_reason(reason: &str) -> Result<()> {
        let fits = (1..=Self::MAX_REASON_BYTES).contains(&reason.len());
        if fits && !reason.chars().any(char::is_control) {
            return Ok(());
        }
        let why = "a reason is 1 to 4096 bytes without control characters";
        Err(Error::new(ErrorKind::Invalid, "erase a record", why))
    }

    /// The mark of a record; `None` where it was not erased.
    ///
    /// # Errors
    /// As [`StorageStrategy::system_item`]; `Corrupt` for a damaged mark.
    pub async fn read(store: &dyn StorageStrategy, key: &Key) -> Result<Option<Self>> {
        let item_key = erasure_key(key);
        let found = store.system_item(SystemCollection::Erased, &item_key).await?;
        found.map(|value| from_text(&item_key, &value)).transpose()
    }

    /// The write that leaves this mark in the place of `before`.
    ///
    /// # Errors
    /// `Invalid` when it cannot be written as JSON.
    pub fn write(&self, key: &Key, before: Option<&Self>) -> Result<SystemWrite> {
        let expected = before.map(to_text).transpose()?;
        let item_key = erasure_key(key);
        Ok(SystemWrite::new(SystemCollection::Erased, item_key, expected, Some(to_text(self)?)))
    }
}

/// Up to which version records of some stores were erased.
#[derive(Debug, Clone, Default)]
pub struct Erasures(HashMap<String, Version>);

impl Erasures {
    /// All marks of a collection; none of a store that keeps no marks. They stay in
    /// memory: about 150 bytes each.
    ///
    /// # Errors
    /// As [`StorageStrategy::system_items`]; `Corrupt` for a damaged mark.
    pub async fn read(store: &dyn StorageStrategy, collection: &CollectionName) -> Result<Self> {
        let mut all = Self::default();
        match all.read_from(store, collection).await {
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::NotFound) => {
                Ok(Self::default())
            }
            read => read.map(|()| all),
        }
    }

    async fn read_from(
        &mut self,
        store: &dyn StorageStrategy,
        collection: &CollectionName,
    ) -> Result<()> {
        let prefix = format!("{collection}/");
        let mut after: Option<String> = None;
        loop {
            let erased = SystemCollection::Erased;
            let found = store.system_items(erased, &prefix, after.as_deref(), AT_ONCE).await?;
            for item in &found {
                self.take(item)?;
            }
            match found.last() {
                Some(last) if found.len() == AT_ONCE.get() => after = Some(last.key.clone()),
                _ => return Ok(()),
            }
        }
    }

    /// Takes one mark in, as it stands in a store or an archive.
    ///
    /// # Errors
    /// `Corrupt` for a damaged mark.
    pub fn take(&mut self, item: &SystemItem) -> Result<()> {
        let Erasure { through, .. } = from_text(&item.key, &item.value)?;
        let known = self.0.entry(item.key.clone()).or_insert(through);
        *known = (*known).max(through);
        Ok(())
    }

    /// Whether this version of a record was erased.
    #[must_use]
    pub fn cover(&self, key: &Key, version: Version) -> bool {
        // Hashing every id is for those who erased something.
        !self.0.is_empty()
            && self.0.get(&erasure_key(key)).is_some_and(|through| version <= *through)
    }

    /// Takes the marks of another store in.
    pub fn extend(&mut self, other: Self) {
        for (key, through) in other.0 {
            let known = self.0.entry(key).or_insert(through);
            *known = (*known).max(through);
        }
    }

    /// Whether nothing was erased.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The key of the mark of a record.
fn erasure_key(key: &Key) -> String {
    format!("{}/{}", key.collection, id_hash(&key.id))
}

/// The hash by which the engine's own items name an id, which may be longer than a key:
/// 32 hexadecimal digits of its BLAKE3.
#[must_use]
pub fn id_hash(id: &EntityId) -> String {
    let hash = blake3::hash(id.as_str().as_bytes()).to_hex();
    hash.chars().take(32).collect()
}

/// For strategies: checks that none of the records is live, before they are scrubbed.
///
/// # Errors
/// `Invalid`, naming the first one; those of a read.
pub async fn check_none_is_live(
    store: &dyn StorageStrategy,
    collection: &CollectionName,
    ids: &[EntityId],
) -> Result<()> {
    for id in ids {
        if store.get(collection, id).await?.is_some() {
            let why = "the record is there: it has to be deleted first";
            return Err(Error::new(ErrorKind::Invalid, "scrub a record", why)
                .with("collection", collection)
                .with("id", id));
        }
    }
    Ok(())
}

fn to_text(erasure: &Erasure) -> Result<String> {
    serde_json::to_string(erasure).map_err(|source| {
        let why = "the mark cannot be written as JSON";
        Error::new(ErrorKind::Invalid, "erase a record", why).caused_by(source)
    })
}

fn from_text(key: &str, text: &str) -> Result<Erasure> {
    serde_json::from_str(text).map_err(|source| {
        let why = "the mark of an erased record is damaged";
        Error::new(ErrorKind::Corrupt, READ, why).with("key", key).caused_by(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> Key {
        Key::new("people".parse().unwrap(), id.parse().unwrap())
    }

    #[test]
    fn a_mark_covers_what_was_erased_and_nothing_later() {
        let version = |number| Version::new(number).unwrap();
        let mut all = Erasures::default();
        assert!(!all.cover(&key("ada"), version(1)));
        for through in [4, 2] {
            let mark = Erasure::new(version(through), Timestamp::from_micros(0).unwrap(), "asked");
            let write = mark.unwrap().write(&key("ada"), None).unwrap();
            assert!(!write.key.contains("ada"), "a mark does not say whose it is");
            all.take(&SystemItem::new(write.key, write.value.unwrap())).unwrap();
        }
        let covered = |id, number| all.cover(&key(id), version(number));
        assert!(covered("ada", 4) && covered("ada", 1));
        assert!(!covered("ada", 5) && !covered("bob", 1));
        for reason in ["", "a\nb", &"x".repeat(4_097)] {
            let at = Timestamp::from_micros(0).unwrap();
            assert!(Erasure::new(version(1), at, reason).is_err());
        }
    }
}
