//! What the table of changes holds, as items and back.

use aws_sdk_dynamodb::types::AttributeValue;
use repo_core::strategy::Action;
use repo_core::{CollectionName, EntityId, Error, ErrorKind, Key, Result, Version};

use crate::item::{Item, number, text};
use crate::layout::{PLACE_KEY, SHARD_KEY};

const COLLECTION: &str = "c";
const ID: &str = "i";
const VERSION: &str = "v";
const DELETED: &str = "d";
const BEFORE: &str = "p";
const CHANGES: &str = "changes";
/// The last place that was given, on the item of the head.
pub(super) const LAST: &str = "last";

/// The place of the head in its partition: after the blocks, before the inbox.
pub(super) const HEAD: &str = "h";
/// Before the first inbox item, and after the last one.
pub(super) const INBOX: [&str; 2] = ["i", "j"];

/// What a write did to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) version: Version,
    pub(crate) deleted: bool,
    /// The version that was there before, where it is known.
    pub(crate) before: Option<Version>,
}

/// A captured write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Captured {
    pub(super) key: Key,
    pub(super) mark: Mark,
}

/// A run of changes whose places follow each other.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) last: u64,
    pub(super) changes: Vec<Captured>,
}

/// One shard of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) generation: u64,
    pub(super) number: usize,
}

impl Shard {
    /// The one that has all changes of a key.
    pub(super) fn of(generation: u64, key: &Key) -> Self {
        let first = digest(key).as_bytes()[0];
        Self { generation, number: usize::from(first) % super::SHARDS }
    }

    fn partition(self) -> String {
        format!("{}.{}", self.generation, self.number)
    }

    /// The key of an item.
    pub(super) fn key(self, place: &str) -> Item {
        let partition = (SHARD_KEY.to_owned(), text(self.partition()));
        Item::from([partition, (PLACE_KEY.to_owned(), text(place))])
    }

    pub(super) fn partition_value(self) -> AttributeValue {
        text(self.partition())
    }
}

fn digest(key: &Key) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    // No name holds a control character.
    for part in [key.collection.as_str(), "\0", key.id.as_str()] {
        hasher.update(part.as_bytes());
    }
    hasher.finalize()
}

/// The place of an inbox item. An id may be longer than a sort key, so a digest of 128
/// bits takes its place.
pub(super) fn inbox_place(key: &Key, version: Version) -> String {
    let digest = digest(key).to_hex();
    format!("{}{}.{:020}", INBOX[0], &digest[..32], version.get())
}

/// The place of the block that ends with the change at `last`.
pub(super) fn block_place(last: u64) -> String {
    format!("b{last:020}")
}

impl Captured {
    /// The inbox item.
    pub(super) fn inbox_item(&self, generation: u64) -> Item {
        let shard = Shard::of(generation, &self.key);
        let mut item = shard.key(&inbox_place(&self.key, self.mark.version));
        item.extend(self.attributes());
        if let Some(before) = self.mark.before {
            item.insert(BEFORE.to_owned(), number(before));
        }
        item
    }

    fn attributes(&self) -> Item {
        let mut item = Item::from([
            (COLLECTION.to_owned(), text(self.key.collection.as_str())),
            (ID.to_owned(), text(self.key.id.as_str())),
            (VERSION.to_owned(), number(self.mark.version)),
        ]);
        if self.mark.deleted {
            item.insert(DELETED.to_owned(), AttributeValue::Bool(true));
        }
        item
    }

    /// A captured write as it is stored.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(super) fn of(item: &Item) -> Result<Self> {
        let text = |name| item.get(name).and_then(|value| value.as_s().ok());
        let collection = text(COLLECTION).and_then(|name| CollectionName::new(name).ok());
        let id = text(ID).and_then(|id| EntityId::new(id).ok());
        let version = numbered(item, VERSION).and_then(|number| Version::new(number).ok());
        let (Some(collection), Some(id), Some(version)) = (collection, id, version) else {
            return Err(corrupt(item));
        };
        let before = numbered(item, BEFORE).and_then(|number| Version::new(number).ok());
        let mark = Mark { version, deleted: item.contains_key(DELETED), before };
        Ok(Self { key: Key::new(collection, id), mark })
    }
}

impl Block {
    /// The item of a block.
    pub(super) fn item(shard: Shard, last: u64, changes: &[Captured]) -> Item {
        let mut item = shard.key(&block_place(last));
        let changes = changes.iter().map(|change| AttributeValue::M(change.attributes()));
        item.insert(CHANGES.to_owned(), AttributeValue::L(changes.collect()));
        item
    }

    /// A block as it is stored at `place`.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(super) fn of(place: &str, item: &Item) -> Result<Self> {
        let last = place.strip_prefix('b').and_then(|last| last.parse().ok());
        let changes = item.get(CHANGES).and_then(|changes| changes.as_l().ok());
        let (Some(last), Some(changes)) = (last, changes) else { return Err(corrupt(item)) };
        let change = |change: &AttributeValue| match change {
            AttributeValue::M(change) => Captured::of(change),
            _ => Err(corrupt(item)),
        };
        let block = Self { last, changes: changes.iter().map(change).collect::<Result<_>>()? };
        if block.changes.is_empty() || block.changes.len() as u64 > last {
            return Err(corrupt(item));
        }
        Ok(block)
    }

    /// The place of its first change.
    pub(super) fn first(&self) -> u64 {
        // `of` checked that it has changes, and no more than places.
        self.last.saturating_sub((self.changes.len() as u64).saturating_sub(1))
    }
}

/// The place of an item in its partition.
///
/// # Errors
/// `Corrupt` when it has none.
pub(super) fn place_of(item: &Item) -> Result<&str> {
    let place = item.get(PLACE_KEY).and_then(|place| place.as_s().ok());
    place.map(String::as_str).ok_or_else(|| corrupt(item))
}

/// The last place that was given, by the item of the head.
///
/// # Errors
/// `Corrupt`.
pub(super) fn head_of(item: &Item) -> Result<u64> {
    numbered(item, LAST).ok_or_else(|| corrupt(item))
}

fn numbered(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn corrupt(item: &Item) -> Error {
    let shown = |name| match item.get(name) {
        Some(AttributeValue::S(text)) => text.as_str(),
        _ => "unknown",
    };
    let why = "an item of the change feed cannot be read";
    Error::new(ErrorKind::Corrupt, "read the change feed", why)
        .with("shard", shown(SHARD_KEY))
        .with("place", shown(PLACE_KEY))
        .hint(format!(
            "another program wrote it; release the capture, hold it again, and read all records \
             anew; {} looks at the records",
            Action::DeepHealth
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(id: &str, version: u64, deleted: bool, before: Option<u64>) -> Captured {
        let key = Key::new(CollectionName::new("items").unwrap(), EntityId::new(id).unwrap());
        let version_of = |number| Version::new(number).unwrap();
        let before = before.map(version_of);
        Captured { key, mark: Mark { version: version_of(version), deleted, before } }
    }

    #[test]
    fn an_inbox_item_is_read_as_it_was_written() {
        let longest = "\u{1d11e}".repeat(255);
        for captured in [captured("a", 1, false, None), captured(&longest, 7, true, Some(6))] {
            let item = captured.inbox_item(3);
            assert_eq!(Captured::of(&item).unwrap(), captured);
            assert!(place_of(&item).unwrap().len() < 1_024);
        }
        let other = captured("a", 1, false, None);
        assert_eq!(Captured::of(&Item::new()).unwrap_err().kind(), ErrorKind::Corrupt);
        assert!(other.inbox_item(3)[SHARD_KEY].as_s().unwrap().starts_with("3."));
    }

    /// Inbox items of a key are in the order of its versions, after the head and the
    /// blocks, and those are in the order of their places.
    #[test]
    fn places_are_in_order() {
        let key = captured("a", 1, false, None).key;
        let inbox = |version| inbox_place(&key, Version::new(version).unwrap());
        let places = [
            block_place(9),
            block_place(10),
            block_place(u64::MAX),
            HEAD.to_owned(),
            INBOX[0].to_owned(),
            inbox(9),
            inbox(10),
            inbox(Version::MAX),
            INBOX[1].to_owned(),
        ];
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn a_block_has_the_places_up_to_its_last() {
        let shard = Shard { generation: 1, number: 2 };
        let changes = [captured("a", 1, false, None), captured("b", 4, true, None)];
        let item = Block::item(shard, 9, &changes);
        let block = Block::of(place_of(&item).unwrap(), &item).unwrap();
        assert_eq!((block.first(), block.last, block.changes.as_slice()), (8, 9, &changes[..]));
        for (place, changes) in [("b1", &changes[..]), ("b9", &[]), ("x9", &changes[..])] {
            let item = Block::item(shard, 9, changes);
            assert_eq!(Block::of(place, &item).unwrap_err().kind(), ErrorKind::Corrupt, "{place}");
        }
    }

    #[test]
    fn keys_are_spread_over_all_shards() {
        let shards = (0..200).map(|n| Shard::of(1, &captured(&n.to_string(), 1, false, None).key));
        let mut numbers: Vec<usize> = shards.map(|shard| shard.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers, (0..super::super::SHARDS).collect::<Vec<_>>());
    }
}
