//! One collection: its records by id, without their documents.
//!
//! A record takes about 140 bytes and its id. Documents are read from the objects that hold
//! them, and the last ones stay in the cache.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use repo_core::strategy::HistoryState;
use repo_core::{Attribution, EntityId, Version};

use crate::hex::Hex16;
use crate::slot::{Place, Slot};

/// What a record takes in memory beside its id, in bytes, about.
const RECORD_BYTES: u64 = 140;

/// A prepared collection.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) schema_version: u32,
    pub(crate) floor: u64,
    pub(crate) id_field: String,
    /// A fingerprint of the id field and the indexes.
    pub(crate) shape: Hex16,
    pub(crate) history: Option<History>,
    records: BTreeMap<EntityId, Slot>,
    live: u64,
    /// Bytes that all of it takes, about.
    bytes: u64,
}

/// What records were before, while that is kept.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) kept: HistoryState,
    pub(crate) older: BTreeMap<(EntityId, Version), Older>,
    /// Who wrote versions, stored and older ones.
    pub(crate) by: BTreeMap<(EntityId, Version), Arc<Attribution>>,
}

/// An older version. Times are microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Older {
    pub(crate) updated_at: i64,
    pub(crate) was: Was,
}

/// What it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Was {
    Live { created_at: i64, place: Place },
    Deleted,
    Removed,
}

impl From<Slot> for Older {
    fn from(slot: Slot) -> Self {
        let was = match slot.place {
            Some(place) => Was::Live { created_at: slot.created_at, place },
            None => Was::Deleted,
        };
        Self { updated_at: slot.updated_at, was }
    }
}

impl Table {
    /// A collection without records.
    pub(crate) fn new(schema_version: u32, id_field: String, shape: Hex16) -> Self {
        Self {
            schema_version,
            floor: 0,
            id_field,
            shape,
            history: None,
            records: BTreeMap::new(),
            live: 0,
            bytes: 0,
        }
    }

    /// Live entities.
    pub(crate) fn live(&self) -> u64 {
        self.live
    }

    /// Live entities and tombstones.
    #[cfg(test)]
    pub(crate) fn records(&self) -> u64 {
        self.records.len() as u64
    }

    /// Bytes that it takes in memory, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The record under an id, a tombstone too.
    pub(crate) fn get(&self, id: &EntityId) -> Option<Slot> {
        self.records.get(id).copied()
    }

    /// All records in the order of their ids, from the beginning or after an id.
    pub(crate) fn after(&self, id: Option<&EntityId>) -> impl Iterator<Item = (&EntityId, &Slot)> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.records.range::<EntityId, _>((from, Bound::Unbounded))
    }

    /// Stores a record in the place of the one that was there, and keeps that one where
    /// history is kept.
    pub(crate) fn set(&mut self, id: EntityId, slot: Slot) {
        self.live += u64::from(slot.is_live());
        let size = size_of_record(&id);
        let replaced = match self.records.get_mut(&id) {
            Some(stored) => Some(std::mem::replace(stored, slot)),
            None => {
                self.bytes += size;
                self.records.insert(id.clone(), slot)
            }
        };
        let Some(replaced) = replaced else { return };
        self.live -= u64::from(replaced.is_live());
        if let Some(history) = &mut self.history {
            let key = (id, replaced.version);
            if history.older.insert(key, Older::from(replaced)).is_none() {
                self.bytes += size;
            }
        }
    }

    /// Keeps what is known of an older version; nothing: it is forgotten. `None` where no
    /// history is kept.
    pub(crate) fn set_older(
        &mut self,
        id: &EntityId,
        version: Version,
        known: Option<Older>,
    ) -> Option<()> {
        let history = self.history.as_mut()?;
        let (key, size) = ((id.clone(), version), size_of_record(id));
        let (before, after) = match known {
            Some(known) => (history.older.insert(key, known).is_some(), true),
            None => (history.older.remove(&key).is_some(), false),
        };
        match (before, after) {
            (false, true) => self.bytes += size,
            (true, false) => self.bytes = self.bytes.saturating_sub(size),
            _ => {}
        }
        Some(())
    }

    /// Keeps who wrote a version. `None` where no history is kept.
    pub(crate) fn set_by(
        &mut self,
        id: &EntityId,
        version: Version,
        by: Option<Attribution>,
    ) -> Option<()> {
        let history = self.history.as_mut()?;
        let key = (id.clone(), version);
        let size = |by: &Attribution| {
            let texts = [by.author(), by.reason()];
            size_of_record(id)
                + texts.into_iter().flatten().map(|text| text.len() as u64).sum::<u64>()
        };
        let added = by.as_ref().map_or(0, size);
        let before = match by {
            Some(by) => history.by.insert(key, Arc::new(by)),
            None => history.by.remove(&key),
        };
        let removed = before.as_deref().map_or(0, size);
        self.bytes = (self.bytes + added).saturating_sub(removed);
        Some(())
    }

    /// Begins, changes or ends the history.
    pub(crate) fn keep_history(&mut self, kept: Option<HistoryState>) {
        let Some(kept) = kept else {
            self.history = None;
            self.bytes = self.records.keys().map(size_of_record).sum();
            return;
        };
        match &mut self.history {
            Some(history) => history.kept = kept,
            none => *none = Some(History { kept, older: BTreeMap::new(), by: BTreeMap::new() }),
        }
    }

    /// Tells where the document of a version is now, if the version is known and has that
    /// document.
    pub(crate) fn repoint(&mut self, id: &EntityId, version: Version, place: Place) {
        if let Some(slot) = self.records.get_mut(id)
            && slot.version == version
            && let Some(known) = &mut slot.place
            && known.same(&place)
        {
            *known = place;
        }
        let Some(history) = &mut self.history else { return };
        if let Some(older) = history.older.get_mut(&(id.clone(), version))
            && let Was::Live { place: known, .. } = &mut older.was
            && known.same(&place)
        {
            *known = place;
        }
    }

    fn purgeable(&self, older_than: i64) -> impl Iterator<Item = &Slot> {
        self.records.values().filter(move |slot| is_purgeable(slot, older_than))
    }

    /// The highest version among the tombstones written before `older_than`.
    pub(crate) fn highest_purgeable(&self, older_than: i64) -> Option<u64> {
        self.purgeable(older_than).map(|slot| slot.version.get()).max()
    }

    /// How many tombstones were written before `older_than`.
    pub(crate) fn count_purgeable(&self, older_than: i64) -> u64 {
        self.purgeable(older_than).count() as u64
    }

    /// Removes the tombstones written before `older_than`, in microseconds since 1970.
    pub(crate) fn purge(&mut self, older_than: i64) {
        let bytes = &mut self.bytes;
        self.records.retain(|id, slot| {
            let stays = !is_purgeable(slot, older_than);
            if !stays {
                *bytes = bytes.saturating_sub(size_of_record(id));
            }
            stays
        });
    }
}

fn is_purgeable(slot: &Slot, older_than: i64) -> bool {
    !slot.is_live() && slot.updated_at < older_than
}

/// What a record, or an older version, of this id takes in memory, about.
pub(crate) fn size_of_record(id: &EntityId) -> u64 {
    RECORD_BYTES + id.as_str().len() as u64
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use repo_core::Timestamp;

    use super::*;
    use crate::slot::Source;

    fn id(text: &str) -> EntityId {
        text.parse().unwrap()
    }

    fn live(version: u64, part: u32, digest: &str) -> Slot {
        let place = Place {
            source: Source::part(part),
            offset: 0,
            len: NonZeroU32::MIN,
            digest: digest.repeat(32).parse().unwrap(),
        };
        let version = Version::new(version).unwrap();
        Slot { version, created_at: 1, updated_at: 1, place: Some(place) }
    }

    fn gone(version: u64, updated_at: i64) -> Slot {
        Slot { updated_at, place: None, ..live(version, 0, "0") }
    }

    fn table() -> Table {
        Table::new(1, "id".to_owned(), Hex16::random().unwrap())
    }

    #[test]
    fn what_is_counted_is_what_is_there() {
        let mut table = table();
        for (name, slot) in [("a", live(1, 0, "1")), ("b", live(1, 0, "2")), ("c", gone(3, 5))] {
            table.set(id(name), slot);
        }
        table.set(id("a"), gone(2, 9));
        assert_eq!((table.live(), table.records()), (1, 3));
        assert_eq!((table.highest_purgeable(6), table.count_purgeable(6)), (Some(3), 1));
        table.purge(6);
        assert_eq!((table.live(), table.records()), (1, 2));
        let ids: Vec<_> = table.after(Some(&id("a"))).map(|(id, _)| id.to_string()).collect();
        assert_eq!(ids, ["b"]);
        let expected = size_of_record(&id("a")) * 2;
        assert_eq!(table.bytes(), expected);
        let begun = HistoryState::new(Timestamp::from_micros(0).unwrap());
        table.keep_history(Some(begun));
        table.set(id("a"), live(3, 0, "3"));
        table.set_by(&id("a"), Version::FIRST, Attribution::new(Some("ada"), None).ok()).unwrap();
        assert!(table.bytes() > expected);
        table.keep_history(None);
        assert_eq!(table.bytes(), expected);
    }

    #[test]
    fn only_the_document_that_is_known_moves() {
        let mut table = table();
        table.keep_history(Some(HistoryState::new(Timestamp::from_micros(0).unwrap())));
        table.set(id("a"), live(1, 0, "1"));
        table.set(id("a"), live(2, 0, "2"));
        let moved = |digest| live(1, 7, digest).place.unwrap();
        table.repoint(&id("a"), Version::FIRST, moved("1"));
        table.repoint(&id("a"), Version::new(2).unwrap(), moved("3"));
        let history = table.history.as_ref().unwrap();
        let older = history.older[&(id("a"), Version::FIRST)];
        assert_eq!(older.was, Was::Live { created_at: 1, place: moved("1") });
        assert_eq!(table.get(&id("a")), Some(live(2, 0, "2")), "another document");
    }
}
