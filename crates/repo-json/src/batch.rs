//! One group of commits on its way into one frame: each is decided on what is
//! stored and on what the ones before it in the group will store.

mod own_record;
mod versions;

use std::collections::HashMap;

use repo_core::strategy::{
    Applied, HistoryState, PrepareChange, Prepared, Purged, Record, StoreRecord, SystemCollection,
    Tombstone, check_purge,
};
use repo_core::{
    Change, CollectionName, CollectionSchema, Document, Entity, EntityId, Error, Key, Result,
    Timestamp, Version, Write, Written,
};

use crate::env::{Env, shape_of};
use crate::feed_record::FeedRecord;
use crate::journal::{Op, push_op};
use crate::state::State;
use crate::store::collection;
use crate::table::Slot;

/// The changes of a group.
pub(crate) struct Batch<'s> {
    env: &'s Env,
    state: &'s State,
    records: HashMap<Key, Pending>,
    floors: HashMap<CollectionName, u64>,
    record: Option<StoreRecord>,
    feed: Option<FeedRecord>,
    items: HashMap<(SystemCollection, String), Option<String>>,
    /// Whether files are not needed any more: capture or a history ends.
    pub(crate) frees_files: bool,
    /// The payload of the frame.
    pub(crate) payload: Vec<u8>,
}

/// What a key will hold.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) version: u64,
    created_at: i64,
    updated_at: i64,
    /// `None` for a tombstone.
    pub(crate) document: Option<Document>,
}

/// What a key holds, whether stored or pending.
#[derive(Debug, Clone, Copy)]
struct Known {
    version: Version,
    live: bool,
    created_at: i64,
}

impl<'s> Batch<'s> {
    pub(crate) fn new(env: &'s Env, state: &'s State) -> Self {
        Self {
            env,
            state,
            records: HashMap::new(),
            floors: HashMap::new(),
            record: None,
            feed: None,
            items: HashMap::new(),
            frees_files: false,
            payload: Vec::new(),
        }
    }

    /// What the keys hold once the frame is durable.
    pub(crate) fn into_records(self) -> HashMap<Key, Pending> {
        self.records
    }

    fn known(&self, operation: &'static str, key: &Key) -> Result<Option<Known>> {
        let stored = collection(self.env, self.state, operation, &key.collection)?;
        if let Some(pending) = self.records.get(key) {
            let live = pending.document.is_some();
            let version = Version::new(pending.version)?;
            return Ok(Some(Known { version, live, created_at: pending.created_at }));
        }
        let Some(slot) = stored.table.get(key.id.as_str()) else { return Ok(None) };
        let version = Version::new(slot.version)?;
        Ok(Some(Known { version, live: slot.is_live(), created_at: slot.created_at }))
    }

    fn next_version(&self, key: &Key, known: Option<Known>) -> Result<Version> {
        if let Some(known) = known {
            return known.version.next();
        }
        let stored = self.state.collections.get(&key.collection).map_or(0, |c| c.floor);
        let pending = self.floors.get(&key.collection).copied().unwrap_or(0);
        Version::after(stored.max(pending))
    }

    /// Decides one commit. On an error nothing of it is in the batch.
    pub(crate) fn commit(&mut self, writes: Vec<Write>, now: Timestamp) -> Result<Vec<Written>> {
        self.role().check_commit("commit", &self.env.location)?;
        let mut failed = Vec::new();
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in &writes {
            let known = self.known("commit", &write.key)?;
            let live = known.filter(|known| known.live);
            failed.extend(write.failure(live.map(|known| known.version)));
            outcomes.push(self.outcome(write, known, now)?);
        }
        if !failed.is_empty() {
            return Err(Error::preconditions("commit", failed));
        }
        let mut answers = Vec::with_capacity(writes.len());
        for (write, outcome) in writes.into_iter().zip(outcomes) {
            answers.push(written(outcome.as_ref())?);
            if let Some(pending) = outcome {
                if let Some(by) = &write.attribution {
                    self.attribute(&write.key, &pending, by)?;
                }
                self.store(write.key, pending);
            }
        }
        Ok(answers)
    }

    /// What a write leaves, `None` when it changes nothing.
    fn outcome(
        &self,
        write: &Write,
        known: Option<Known>,
        now: Timestamp,
    ) -> Result<Option<Pending>> {
        let now = now.as_micros();
        let live = known.filter(|known| known.live);
        let (created_at, document) = match &write.change {
            Change::Check => return Ok(None),
            Change::Delete if live.is_none() => return Ok(None),
            Change::Delete => (now, None),
            Change::Put(document) => {
                (live.map_or(now, |known| known.created_at), Some(document.clone()))
            }
        };
        let version = self.next_version(&write.key, known)?.get();
        Ok(Some(Pending { version, created_at, updated_at: now, document }))
    }

    fn store(&mut self, key: Key, pending: Pending) {
        let (collection, id) = (key.collection.as_str(), key.id.as_str());
        let version = pending.version;
        let op = match &pending.document {
            Some(document) => Op::Put {
                collection,
                id,
                version,
                created_at: pending.created_at,
                updated_at: pending.updated_at,
                document: document.as_str(),
            },
            None => Op::Delete { collection, id, version, deleted_at: pending.updated_at },
        };
        push_op(&mut self.payload, &op);
        self.records.insert(key, pending);
    }

    /// Decides records that come with their own versions. On an error nothing
    /// of them is in the batch.
    pub(crate) fn apply(&mut self, records: Vec<Record>) -> Result<Vec<Applied>> {
        self.check_apply("apply")?;
        for record in &records {
            collection(self.env, self.state, "apply", record.collection())?;
        }
        let mut answers = Vec::with_capacity(records.len());
        let mut accepted: HashMap<Key, &Record> = HashMap::new();
        for record in &records {
            let key = record.key();
            let answer = match accepted.get(&key) {
                Some(before) => record.compare_to_stored(Some(before)),
                None => self.compare(&key, record)?,
            };
            if answer == Applied::Applied {
                accepted.insert(key, record);
            }
            answers.push(answer);
        }
        // Each in the order given: a key may come twice, and the feed has both.
        for (record, _) in records.iter().zip(&answers).filter(|(_, a)| **a == Applied::Applied) {
            self.store(record.key(), Pending::of(record));
        }
        Ok(answers)
    }

    /// A record against what its key holds. A document is read only when the
    /// versions are the same.
    fn compare(&self, key: &Key, record: &Record) -> Result<Applied> {
        if let Some(pending) = self.records.get(key) {
            return Ok(record.compare_to_stored(Some(&pending.to_record(key)?)));
        }
        let stored = collection(self.env, self.state, "apply", &key.collection)?;
        let Some(slot) = stored.table.get(key.id.as_str()) else { return Ok(Applied::Applied) };
        let version = record.version().get();
        if slot.version != version {
            let newer = version > slot.version;
            return Ok(if newer { Applied::Applied } else { Applied::Older });
        }
        let document = match slot.is_live() {
            true => Some(self.state.documents(self.env, stored).read(&slot)?),
            false => None,
        };
        let stored = record_of(key, &slot, document)?;
        Ok(record.compare_to_stored(Some(&stored)))
    }

    /// Makes collections, or brings them up to their schemas.
    pub(crate) fn prepare(&mut self, schemas: &[CollectionSchema]) -> Vec<Prepared> {
        let mut prepared: Vec<Prepared> = Vec::with_capacity(schemas.len());
        for schema in schemas {
            let shape = shape_of(schema);
            let change = match self.state.collections.get(&schema.collection) {
                None => PrepareChange::Created,
                Some(c) if c.shape == shape && c.schema_version == schema.schema_version => {
                    PrepareChange::Unchanged
                }
                Some(_) => PrepareChange::Updated,
            };
            if change != PrepareChange::Unchanged {
                let collection = schema.collection.as_str();
                let schema_version = schema.schema_version;
                push_op(&mut self.payload, &Op::Prepare { collection, schema_version, shape });
            }
            prepared.push(Prepared::new(schema.collection.clone(), change));
        }
        prepared
    }

    /// Removes old tombstones, the floor raised in the same frame. It has to
    /// be alone in its group.
    pub(crate) fn purge(&mut self, name: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        let stored = collection(self.env, self.state, "purge", name)?;
        check_purge(self.state.job.as_ref(), name)?;
        self.state.check_rebuild(self.env, "purge")?;
        let history = stored.history.as_ref().map(|history| &history.kept);
        let older_than = HistoryState::purgeable(history, older_than).as_micros();
        let Some(highest) = stored.table.highest_purgeable(older_than) else {
            return Ok(Purged::new(0, stored.floor));
        };
        let floor = stored.floor.max(highest);
        push_op(&mut self.payload, &Op::Floor { collection: name.as_str(), floor });
        push_op(&mut self.payload, &Op::Purge { collection: name.as_str(), older_than });
        Ok(Purged::new(stored.table.count_purgeable(older_than), floor))
    }
}

impl Pending {
    fn of(record: &Record) -> Self {
        let created_at = match record {
            Record::Live(entity) => entity.created_at,
            Record::Tombstone(tombstone) => tombstone.deleted_at,
        };
        Self {
            version: record.version().get(),
            created_at: created_at.as_micros(),
            updated_at: record.updated_at().as_micros(),
            document: record.document().cloned(),
        }
    }

    fn to_record(&self, key: &Key) -> Result<Record> {
        let place = crate::table::Place::Journal;
        let mut slot = Slot::tombstone(self.version, self.updated_at);
        if self.document.is_some() {
            slot = Slot { created_at: self.created_at, place, ..slot };
        }
        record_of(key, &slot, self.document.clone())
    }
}

/// The record of a slot; `document` for a live one.
pub(crate) fn record_of(key: &Key, slot: &Slot, document: Option<Document>) -> Result<Record> {
    live_or_tombstone(key.collection.clone(), key.id.clone(), slot, document)
}

/// The same, from parts.
pub(crate) fn live_or_tombstone(
    collection: CollectionName,
    id: EntityId,
    slot: &Slot,
    document: Option<Document>,
) -> Result<Record> {
    let version = Version::new(slot.version)?;
    let updated_at = Timestamp::from_micros(slot.updated_at)?;
    Ok(match document {
        None => Record::Tombstone(Tombstone { collection, id, version, deleted_at: updated_at }),
        Some(document) => {
            let created_at = Timestamp::from_micros(slot.created_at)?;
            Record::Live(Entity { collection, id, version, created_at, updated_at, document })
        }
    })
}

fn written(pending: Option<&Pending>) -> Result<Written> {
    let Some(pending) = pending else { return Ok(Written::Unchanged) };
    let version = Version::new(pending.version)?;
    let updated_at = Timestamp::from_micros(pending.updated_at)?;
    Ok(match pending.document {
        None => Written::Deleted { version, deleted_at: updated_at },
        Some(_) => {
            let created_at = Timestamp::from_micros(pending.created_at)?;
            Written::Put { version, created_at, updated_at }
        }
    })
}
