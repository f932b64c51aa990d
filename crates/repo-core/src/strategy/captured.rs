//! From captured writes to changes that carry records.

use std::collections::{BTreeMap, BTreeSet};

use crate::strategy::{FeedPosition, Record, RecordChange, StorageStrategy};
use crate::{CollectionName, EntityId, ErrorKind, Key, Result, Version};

/// For strategies: a write as it was captured, before its record is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "as in `RecordChange`")]
pub struct CapturedWrite {
    pub position: FeedPosition,
    pub key: Key,
    pub version: Version,
    pub deleted: bool,
}

/// For strategies: the changes of captured writes, with the records that are stored
/// now. One read a collection.
///
/// # Errors
/// Those of [`get_many`](StorageStrategy::get_many), except `NotFound`: a collection
/// that is not there holds no record.
pub async fn with_records(
    store: &(impl StorageStrategy + ?Sized),
    writes: Vec<CapturedWrite>,
) -> Result<Vec<RecordChange>> {
    let mut wanted: BTreeMap<&CollectionName, BTreeSet<&EntityId>> = BTreeMap::new();
    for write in &writes {
        wanted.entry(&write.key.collection).or_default().insert(&write.key.id);
    }
    let mut stored: BTreeMap<Key, Record> = BTreeMap::new();
    for (collection, ids) in wanted {
        let ids: Vec<EntityId> = ids.into_iter().cloned().collect();
        let found = match store.get_many(collection, &ids).await {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            found => found?,
        };
        stored.extend(found.into_iter().flatten().map(|record| (record.key(), record)));
    }
    Ok(writes.into_iter().map(|write| change(write, &stored)).collect())
}

fn change(write: CapturedWrite, stored: &BTreeMap<Key, Record>) -> RecordChange {
    let CapturedWrite { position, key, version, deleted } = write;
    let record = stored.get(&key).cloned();
    let exact = record.as_ref().is_some_and(|record| record.version() == version);
    RecordChange { position, key, version, deleted, record, exact }
}
