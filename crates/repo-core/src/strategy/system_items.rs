//! What the engine keeps in a store for itself, beside the collections.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Bound;

use crate::{Error, ErrorKind, Result};

/// A collection of the engine's own. No name of a user's collection reaches it, and
/// [`collections`](crate::strategy::StorageStrategy::collections) does not list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SystemCollection {
    /// Consumers of the change feed: how far each is, and who runs it.
    Consumers,
    /// Changes that a consumer could not work on.
    DeadLetters,
    /// Names of versions that a history keeps.
    Tags,
    /// States of the aggregates of a consumer.
    States,
    /// Records that were erased.
    Erased,
    /// Collections of which old versions are being removed, and by whom.
    Prunes,
    /// How far a live migration is.
    Live,
}

impl SystemCollection {
    /// Every one.
    pub const ALL: &'static [Self] = &[
        Self::Consumers,
        Self::DeadLetters,
        Self::Tags,
        Self::States,
        Self::Erased,
        Self::Prunes,
        Self::Live,
    ];

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.as_str() == name)
    }

    /// The name in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consumers => "consumers",
            Self::DeadLetters => "dead_letters",
            Self::Tags => "tags",
            Self::States => "states",
            Self::Erased => "erased",
            Self::Prunes => "prunes",
            Self::Live => "live",
        }
    }

    /// Whether a migration takes it along. What belongs to the feed of one store does
    /// not travel: positions are that store's. What is under way in it does not either.
    #[must_use]
    pub fn travels(self) -> bool {
        match self {
            Self::Consumers | Self::DeadLetters | Self::States | Self::Prunes | Self::Live => false,
            Self::Tags | Self::Erased => true,
        }
    }

    /// Whether a store takes its items only while it is the authority: what readers, and the
    /// store that takes over, are to find. What says how far work on the store itself is can
    /// be written at any time.
    #[must_use]
    pub fn needs_authority(self) -> bool {
        match self {
            Self::Consumers | Self::DeadLetters | Self::States | Self::Tags | Self::Erased => true,
            Self::Prunes | Self::Live => false,
        }
    }
}

impl fmt::Display for SystemCollection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One item, which only the engine reads.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemItem {
    /// Its key: 1 to [`MAX_KEY_BYTES`](SystemWrite::MAX_KEY_BYTES) bytes without control
    /// characters.
    pub key: String,
    /// JSON text.
    pub value: String,
}

impl SystemItem {
    /// For strategies.
    #[must_use]
    pub fn new(key: String, value: String) -> Self {
        Self { key, value }
    }
}

/// For strategies that keep the items of a store in memory: all of them, in order.
#[derive(Debug, Clone, Default)]
pub struct SystemItemMap(BTreeMap<(SystemCollection, String), String>);

impl SystemItemMap {
    /// The value of an item.
    #[must_use]
    pub fn get(&self, collection: SystemCollection, key: &str) -> Option<&str> {
        self.0.get(&(collection, key.to_owned())).map(String::as_str)
    }

    /// Sets or removes an item.
    pub fn set(&mut self, collection: SystemCollection, key: &str, value: Option<&str>) {
        let key = (collection, key.to_owned());
        match value {
            Some(value) => self.0.insert(key, value.to_owned()),
            None => self.0.remove(&key),
        };
    }

    /// At most `most` of those whose keys begin with `prefix` and come after `after`.
    #[must_use]
    pub fn list(
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

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Collection, key and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (SystemCollection, &str, &str)> {
        self.0.iter().map(|((of, key), value)| (*of, key.as_str(), value.as_str()))
    }
}

/// A change of one item, if it is what the caller believes it to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemWrite {
    /// The collection.
    pub collection: SystemCollection,
    /// The key.
    pub key: String,
    /// The value that is stored now; `None`: there is none.
    pub expected: Option<String>,
    /// What to store instead; `None` removes the item.
    pub value: Option<String>,
}

impl SystemWrite {
    /// Most bytes of a key.
    pub const MAX_KEY_BYTES: usize = 512;
    /// Most bytes of a value.
    pub const MAX_VALUE_BYTES: usize = 65_536;
    /// Most items that are written together.
    pub const MAX_AT_ONCE: usize = 20;

    /// A change from one value to another.
    #[must_use]
    pub fn new(
        collection: SystemCollection,
        key: impl Into<String>,
        expected: Option<String>,
        value: Option<String>,
    ) -> Self {
        Self { collection, key: key.into(), expected, value }
    }

    /// For strategies: whether the [role](crate::strategy::RoleState) of the store matters
    /// for these.
    #[must_use]
    pub fn need_authority(writes: &[Self]) -> bool {
        writes.iter().any(|write| write.collection.needs_authority())
    }

    /// Whether these say no more than how far a consumer is, with what its last changes left
    /// behind.
    pub(super) fn are_checkpoint(writes: &[Self]) -> bool {
        let moves_on = |write: &Self| write.expected.is_some() && write.value.is_some();
        let is_consumer = |write: &Self| write.collection == SystemCollection::Consumers;
        writes.iter().any(is_consumer)
            && writes.iter().all(|write| match write.collection {
                SystemCollection::Consumers => moves_on(write),
                SystemCollection::DeadLetters | SystemCollection::States => true,
                _ => false,
            })
    }

    /// For strategies: the rules that hold in every store.
    ///
    /// # Errors
    /// `Invalid` for a key out of bounds, or one that is written twice;
    /// `LimitExceeded` for a value that is too large, and for too many at once.
    pub fn check_all(writes: &[Self]) -> Result<()> {
        let refuse = |kind, why| Error::new(kind, WRITE, why);
        if writes.len() > Self::MAX_AT_ONCE {
            return Err(refuse(ErrorKind::LimitExceeded, "too many items are written at once")
                .with("items", writes.len())
                .with("most", Self::MAX_AT_ONCE));
        }
        for (at, write) in writes.iter().enumerate() {
            let key = &write.key;
            if key.is_empty() || key.len() > Self::MAX_KEY_BYTES || key.contains(char::is_control) {
                let why = "the key of an item is 1 to 512 bytes without control characters";
                return Err(refuse(ErrorKind::Invalid, why).with("bytes", key.len()));
            }
            if write.value.as_ref().is_some_and(|value| value.len() > Self::MAX_VALUE_BYTES) {
                return Err(refuse(ErrorKind::LimitExceeded, "the value of an item is too large")
                    .with("key", key)
                    .with("most_bytes", Self::MAX_VALUE_BYTES));
            }
            let same = |other: &Self| (other.collection, &other.key) == (write.collection, key);
            if writes[..at].iter().any(same) {
                return Err(refuse(ErrorKind::Invalid, "an item is written twice").with("key", key));
            }
        }
        Ok(())
    }

    /// For strategies: whether the stored value is the expected one.
    ///
    /// # Errors
    /// `Locked` otherwise.
    pub fn check_stored(&self, stored: Option<&str>) -> Result<()> {
        if stored == self.expected.as_deref() {
            return Ok(());
        }
        Err(self.changed())
    }

    /// For strategies: the error for an item that is another one by now.
    #[must_use]
    pub fn changed(&self) -> Error {
        Error::new(ErrorKind::Locked, WRITE, "another process changed the item meanwhile")
            .with("items", self.collection)
            .with("key", &self.key)
            .hint("read it again")
    }
}

const WRITE: &str = "write the engine's own items";

#[cfg(test)]
mod tests {
    use super::*;

    fn write(key: &str, value: &str) -> SystemWrite {
        SystemWrite::new(SystemCollection::Consumers, key, None, Some(value.to_owned()))
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_before_it_is_sent() {
        let kind = |writes: &[SystemWrite]| SystemWrite::check_all(writes).map_err(|e| e.kind());
        let many: Vec<SystemWrite> = (0..21).map(|n| write(&n.to_string(), "1")).collect();
        assert_eq!(kind(&many[..20]), Ok(()));
        assert_eq!(kind(&many), Err(ErrorKind::LimitExceeded));
        for key in ["", "a\n", &"x".repeat(513)] {
            assert_eq!(kind(&[write(key, "1")]), Err(ErrorKind::Invalid), "{key}");
        }
        assert_eq!(kind(&[write("a", "1"), write("a", "2")]), Err(ErrorKind::Invalid));
        assert_eq!(kind(&[write("a", &"x".repeat(65_537))]), Err(ErrorKind::LimitExceeded));
    }
}
