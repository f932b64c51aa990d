//! Changes that were put aside.

use std::num::NonZeroUsize;

use repo_core::strategy::{
    FeedPosition, RecordChange, StorageStrategy, SystemCollection, SystemItem, SystemWrite,
};
use repo_core::{CollectionName, EntityId, Key, Result, Timestamp, Version};
use serde::{Deserialize, Serialize};

use crate::ConsumerName;
use crate::stored::{from_text, to_text};

/// A change that a consumer could not work on, or a later one of the same record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its number; letters of a consumer are numbered in the order in which they came.
    pub number: u64,
    /// The record.
    pub key: Key,
    /// The version that was written.
    pub version: Version,
    /// Whether the write deleted the entity.
    pub deleted: bool,
    /// Where it stood in the feed.
    pub position: FeedPosition,
    /// Why it is here.
    pub error: String,
    /// How often it was tried; 0 for one that only follows another letter of its record.
    pub attempts: u32,
    /// When it was put aside.
    pub at: Timestamp,
    /// Whether somebody asked for it to be tried again.
    pub retry: bool,
}

/// Most characters of an error that are kept.
const MAX_ERROR_CHARS: usize = 2_000;
/// Letters that one request reads.
const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(199);

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    collection: CollectionName,
    id: String,
    version: u64,
    deleted: bool,
    position: FeedPosition,
    error: String,
    attempts: u32,
    at: Timestamp,
    retry: bool,
}

impl DeadLetter {
    pub(crate) fn of(
        number: u64,
        change: &RecordChange,
        error: &str,
        attempts: u32,
        at: Timestamp,
    ) -> Self {
        Self {
            number,
            key: change.key.clone(),
            version: change.version,
            deleted: change.deleted,
            position: change.position.clone(),
            error: error.chars().take(MAX_ERROR_CHARS).collect(),
            attempts,
            at,
            retry: false,
        }
    }

    /// The change of this letter, with the record that is stored now.
    pub(crate) async fn change(&self, store: &dyn StorageStrategy) -> Result<RecordChange> {
        let captured = repo_core::strategy::CapturedWrite {
            position: self.position.clone(),
            key: self.key.clone(),
            version: self.version,
            deleted: self.deleted,
        };
        let mut changes = repo_core::strategy::with_records(store, vec![captured]).await?;
        // One came, so one goes.
        Ok(changes.remove(0))
    }

    /// The write that stores this letter in the place of `before`.
    pub(crate) fn write(
        &self,
        consumer: &ConsumerName,
        before: Option<&Self>,
    ) -> Result<SystemWrite> {
        let expected = before.map(Self::to_text).transpose()?;
        let collection = SystemCollection::DeadLetters;
        Ok(SystemWrite::new(collection, self.item_key(consumer), expected, Some(self.to_text()?)))
    }

    /// The write that removes this letter.
    pub(crate) fn remove(&self, consumer: &ConsumerName) -> Result<SystemWrite> {
        let collection = SystemCollection::DeadLetters;
        Ok(SystemWrite::new(collection, self.item_key(consumer), Some(self.to_text()?), None))
    }

    fn item_key(&self, consumer: &ConsumerName) -> String {
        format!("{consumer}/{:020}", self.number)
    }

    fn to_text(&self) -> Result<String> {
        to_text(&Stored {
            collection: self.key.collection.clone(),
            id: self.key.id.to_string(),
            version: self.version.get(),
            deleted: self.deleted,
            position: self.position.clone(),
            error: self.error.clone(),
            attempts: self.attempts,
            at: self.at,
            retry: self.retry,
        })
    }

    fn from_item(item: &SystemItem) -> Result<Self> {
        let Stored { collection, id, version, deleted, position, error, attempts, at, retry } =
            from_text(&item.key, &item.value)?;
        let number = item.key.rsplit('/').next().and_then(|number| number.parse().ok());
        Ok(Self {
            number: number.unwrap_or(0),
            key: Key::new(collection, EntityId::new(&id)?),
            version: Version::new(version)?,
            deleted,
            position,
            error,
            attempts,
            at,
            retry,
        })
    }
}

/// The letters of a consumer, by number.
pub(crate) async fn read_all(
    store: &dyn StorageStrategy,
    consumer: &ConsumerName,
) -> Result<Vec<DeadLetter>> {
    let prefix = format!("{consumer}/");
    let mut letters = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let items = store
            .system_items(SystemCollection::DeadLetters, &prefix, after.as_deref(), AT_ONCE)
            .await?;
        for item in &items {
            letters.push(DeadLetter::from_item(item)?);
        }
        match items.into_iter().last() {
            Some(last) => after = Some(last.key),
            None => return Ok(letters),
        }
    }
}

/// Writes in as few steps as the store allows.
pub(crate) async fn write_all(store: &dyn StorageStrategy, writes: Vec<SystemWrite>) -> Result<()> {
    for part in writes.chunks(SystemWrite::MAX_AT_ONCE) {
        store.write_system_items(part.to_vec()).await?;
    }
    Ok(())
}

/// Removes the letters of a record, of whatever consumer; how many they were.
pub(crate) async fn remove_of(store: &dyn StorageStrategy, key: &Key) -> Result<u64> {
    let mut removed = 0;
    let mut after: Option<String> = None;
    loop {
        let letters = SystemCollection::DeadLetters;
        let items = store.system_items(letters, "", after.as_deref(), AT_ONCE).await?;
        for SystemItem { key: item, value, .. } in &items {
            let stored: Stored = from_text(item, value)?;
            if stored.collection == key.collection && stored.id == key.id.as_str() {
                let write = SystemWrite::new(letters, item, Some(value.clone()), None);
                store.write_system_items(vec![write]).await?;
                removed += 1;
            }
        }
        match items.into_iter().last() {
            Some(last) => after = Some(last.key),
            None => return Ok(removed),
        }
    }
}
