//! The records of one collection in memory, and the rules of versions.

use std::collections::BTreeMap;

use crate::strategy::{
    Applied, CollectionState, HistoryState, OlderState, OlderThan, OlderVersion, Record, Tombstone,
    VersionWrite,
};
use crate::{
    Attribution, Change, CollectionSchema, Entity, EntityId, Result, Timestamp, Version, Write,
    Written,
};

/// One collection.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) schema: CollectionSchema,
    pub(super) state: CollectionState,
    pub(super) records: BTreeMap<EntityId, Record>,
    pub(super) history: Option<HistoryState>,
    /// What records were before, while history is kept.
    older: BTreeMap<(EntityId, Version), OlderVersion>,
    /// Who wrote versions, stored and older ones, while history is kept.
    attributions: BTreeMap<(EntityId, Version), Attribution>,
}

impl Table {
    pub(super) fn new(schema: CollectionSchema) -> Self {
        let state = CollectionState::new(schema.schema_version, 0);
        Self {
            schema,
            state,
            records: BTreeMap::new(),
            history: None,
            older: BTreeMap::new(),
            attributions: BTreeMap::new(),
        }
    }

    /// The live entity under an id.
    pub(super) fn live(&self, id: &EntityId) -> Option<&Entity> {
        match self.records.get(id) {
            Some(Record::Live(entity)) => Some(entity),
            _ => None,
        }
    }

    pub(super) fn live_entities(&self) -> impl Iterator<Item = &Entity> {
        self.records.values().filter_map(|record| match record {
            Record::Live(entity) => Some(entity),
            Record::Tombstone(_) => None,
        })
    }

    fn next_version(&self, id: &EntityId) -> Result<Version> {
        match self.records.get(id) {
            Some(record) => record.version().next(),
            None => Version::after(self.state.floor),
        }
    }

    /// The record that a write leaves, `None` when it changes nothing. The
    /// precondition was checked before.
    pub(super) fn outcome(&self, write: &Write, now: Timestamp) -> Result<Option<Record>> {
        let live = self.live(&write.key.id);
        let collection = write.key.collection.clone();
        let id = write.key.id.clone();
        Ok(match &write.change {
            Change::Check => None,
            Change::Delete if live.is_none() => None,
            Change::Delete => Some(Record::Tombstone(Tombstone {
                version: self.next_version(&id)?,
                collection,
                id,
                deleted_at: now,
            })),
            Change::Put(document) => Some(Record::Live(Entity {
                version: self.next_version(&id)?,
                created_at: live.map_or(now, |entity| entity.created_at),
                updated_at: now,
                document: document.clone(),
                collection,
                id,
            })),
        })
    }

    pub(super) fn apply(&mut self, record: Record) -> Applied {
        let answer = record.compare_to_stored(self.records.get(record.id()));
        if answer == Applied::Applied {
            self.put(record);
        }
        answer
    }

    /// Stores a record, and keeps what it replaces.
    pub(super) fn put(&mut self, record: Record) {
        let replaced = self.records.insert(record.id().clone(), record);
        if let (Some(_), Some(replaced)) = (self.history, replaced) {
            let replaced = OlderVersion::from(replaced);
            self.older.insert((replaced.id.clone(), replaced.version), replaced);
        }
    }

    /// Keeps who wrote a version, where history is kept.
    pub(super) fn attribute(&mut self, id: EntityId, version: Version, to: &Attribution) {
        if self.history.is_some() {
            self.attributions.insert((id, version), to.clone());
        }
    }

    pub(super) fn attribution(&self, of: &(EntityId, Version)) -> Option<Attribution> {
        self.attributions.get(of).cloned()
    }

    /// Begins, changes or ends the history.
    pub(super) fn set_history(&mut self, history: Option<HistoryState>) {
        self.history = history;
        if self.history.is_none() {
            self.older.clear();
            self.attributions.clear();
        }
    }

    pub(super) fn older<'t>(
        &'t self,
        of: &'t [OlderThan],
    ) -> impl Iterator<Item = OlderVersion> + 't {
        of.iter().flat_map(|OlderThan { id, version, oldest, .. }| {
            let first = (id.clone(), *oldest.min(version));
            self.older.range(first..(id.clone(), *version)).rev().map(|(_, older)| older.clone())
        })
    }

    pub(super) fn write_version(&mut self, write: VersionWrite) -> Applied {
        let (id, version) = write.of();
        let key = (id.clone(), version);
        match write {
            VersionWrite::Add(added) => {
                let answer = added.compare_to_stored(self.older.get(&key));
                if answer == Applied::Applied {
                    self.older.insert(key, added);
                }
                answer
            }
            VersionWrite::Clear(..) => {
                self.attributions.remove(&key);
                match self.older.get_mut(&key) {
                    Some(older) if older.state != OlderState::Removed => {
                        older.state = OlderState::Removed;
                        Applied::Applied
                    }
                    _ => Applied::Equal,
                }
            }
            VersionWrite::Remove(..) => {
                self.attributions.remove(&key);
                match self.older.remove(&key) {
                    Some(_) => Applied::Applied,
                    None => Applied::Equal,
                }
            }
            VersionWrite::Attribute(_, _, to) => match self.attributions.get(&key) {
                Some(stored) if *stored == to => Applied::Equal,
                Some(_) => Applied::Diverged,
                None => {
                    self.attributions.insert(key, to);
                    Applied::Applied
                }
            },
        }
    }

    /// Removes the tombstones written before `older_than`, the floor first.
    pub(super) fn purge(&mut self, older_than: Timestamp) -> u64 {
        let older_than = HistoryState::purgeable(self.history.as_ref(), older_than);
        let gone = |record: &Record| !record.is_live() && record.updated_at() < older_than;
        let highest = self.records.values().filter(|r| gone(r)).map(|r| r.version().get()).max();
        self.state.floor = self.state.floor.max(highest.unwrap_or(0));
        let before = self.records.len();
        self.records.retain(|_, record| !gone(record));
        (before - self.records.len()) as u64
    }
}

/// What `commit` answers for a record that it wrote.
pub(super) fn written(record: Option<&Record>) -> Written {
    match record {
        None => Written::Unchanged,
        Some(Record::Live(entity)) => Written::Put {
            version: entity.version,
            created_at: entity.created_at,
            updated_at: entity.updated_at,
        },
        Some(Record::Tombstone(tombstone)) => {
            Written::Deleted { version: tombstone.version, deleted_at: tombstone.deleted_at }
        }
    }
}
