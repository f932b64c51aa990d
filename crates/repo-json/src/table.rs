//! Where every record of one collection is, ordered by id: the index that is
//! kept in memory.
//!
//! Records of the last checkpoint stand in plain arrays (about 64 bytes and
//! the id); ids that came since stand in a tree until the next checkpoint. A
//! record that changes is changed in place, so it costs nothing more. A million
//! records are to take at most 150 bytes each, so documents are not kept: they
//! are read from their places in the files, and the last ones stay in the cache.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use plain_json::AllSetAside;

/// The first half of a document's 256-bit digest; zeros: not computed.
pub(crate) type ShortDigest = [u8; 16];

/// The digest that stands for "not computed".
pub(crate) const NO_DIGEST: ShortDigest = [0; 16];

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A document in the collection's data file.
    Data,
    /// A document in the journal.
    Journal,
    /// Deleted: there is no document.
    Tombstone,
    /// Purged: there is no record any more.
    Gone,
}

/// One record: its metadata and the place of its document. Times are
/// microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) version: u64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    /// Byte offset of the document.
    pub(crate) offset: u64,
    /// Bytes of the document.
    pub(crate) len: u32,
    pub(crate) place: Place,
}

impl Slot {
    pub(crate) fn tombstone(version: u64, deleted_at: i64) -> Self {
        Self {
            version,
            created_at: deleted_at,
            updated_at: deleted_at,
            offset: 0,
            len: 0,
            place: Place::Tombstone,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.place, Place::Data | Place::Journal)
    }
}

/// The records of one collection.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The ids of the base, one after the other, in order.
    ids: String,
    /// Where each id ends.
    ends: Vec<u64>,
    slots: Vec<Slot>,
    digests: Vec<ShortDigest>,
    /// Ids that are not in the base.
    added: BTreeMap<Box<str>, Slot>,
    live: u64,
    tombstones: u64,
    /// Entities that cannot be read.
    pub(crate) set_aside: AllSetAside,
}

impl Table {
    /// Live entities.
    pub(crate) fn live(&self) -> u64 {
        self.live
    }

    /// Live entities and tombstones.
    pub(crate) fn records(&self) -> u64 {
        self.live + self.tombstones
    }

    fn base_id(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.ids[usize_of(start)..usize_of(self.ends[at])]
    }

    /// The place of an id in the base, or where it would stand.
    fn find(&self, id: &str) -> Result<usize, usize> {
        let mut from = 0;
        let mut to = self.slots.len();
        while from < to {
            let middle = from + (to - from) / 2;
            match self.base_id(middle).cmp(id) {
                Ordering::Less => from = middle + 1,
                Ordering::Greater => to = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(from)
    }

    /// The record under an id, a tombstone too.
    pub(crate) fn get(&self, id: &str) -> Option<Slot> {
        let slot = match self.find(id) {
            Ok(at) => self.slots[at],
            Err(_) => *self.added.get(id)?,
        };
        (slot.place != Place::Gone).then_some(slot)
    }

    /// The digest of the document under an id, where one is known.
    pub(crate) fn digest(&self, id: &str) -> ShortDigest {
        self.find(id).map_or(NO_DIGEST, |at| self.digests[at])
    }

    /// Stores a record in the place of the one that was there.
    pub(crate) fn set(&mut self, id: &str, slot: Slot) {
        let old = self.get(id);
        self.count(old, -1);
        self.count(Some(slot), 1);
        match self.find(id) {
            Ok(at) => {
                self.slots[at] = slot;
                self.digests[at] = NO_DIGEST;
            }
            Err(_) => {
                self.added.insert(id.into(), slot);
            }
        }
    }

    /// Removes the tombstones written before `older_than`, in microseconds
    /// since 1970, and says how many there were.
    pub(crate) fn purge(&mut self, older_than: i64) -> u64 {
        let old = |slot: &Slot| slot.place == Place::Tombstone && slot.updated_at < older_than;
        let mut removed = 0;
        for slot in self.slots.iter_mut().filter(|slot| old(slot)) {
            slot.place = Place::Gone;
            removed += 1;
        }
        let before = self.added.len();
        self.added.retain(|_, slot| !old(slot));
        removed += (before - self.added.len()) as u64;
        self.tombstones -= removed;
        removed
    }

    /// The highest version among the tombstones written before `older_than`.
    pub(crate) fn highest_purgeable(&self, older_than: i64) -> Option<u64> {
        self.purgeable(older_than).map(|slot| slot.version).max()
    }

    /// How many tombstones were written before `older_than`.
    pub(crate) fn count_purgeable(&self, older_than: i64) -> u64 {
        self.purgeable(older_than).count() as u64
    }

    fn purgeable(&self, older_than: i64) -> impl Iterator<Item = &Slot> {
        self.slots
            .iter()
            .chain(self.added.values())
            .filter(move |slot| slot.place == Place::Tombstone && slot.updated_at < older_than)
    }

    fn count(&mut self, slot: Option<Slot>, change: i64) {
        let counter = match slot {
            None => return,
            Some(slot) if slot.is_live() => &mut self.live,
            Some(_) => &mut self.tombstones,
        };
        *counter = counter.saturating_add_signed(change);
    }

    /// All records in the order of their ids, from the beginning or after an
    /// id.
    pub(crate) fn after<'t>(&'t self, id: Option<&str>) -> Records<'t> {
        let (at, bound) = match id {
            None => (0, Bound::Unbounded),
            Some(id) => (self.find(id).map_or_else(|at| at, |at| at + 1), Bound::Excluded(id)),
        };
        let mut added = self.added.range::<str, _>((bound, Bound::Unbounded));
        let next_added = added.next().map(|(id, slot)| (&**id, slot));
        Records { table: self, at, added, next_added }
    }

    /// Adds the next record of a base that is being built; ids ascend.
    pub(crate) fn push(&mut self, id: &str, slot: Slot, digest: ShortDigest) {
        self.ids.push_str(id);
        self.ends.push(self.ids.len() as u64);
        self.slots.push(slot);
        self.digests.push(digest);
        self.count(Some(slot), 1);
    }

    /// Makes room for a base of known size.
    pub(crate) fn reserve(&mut self, records: usize) {
        self.ends.reserve_exact(records);
        self.slots.reserve_exact(records);
        self.digests.reserve_exact(records);
    }

    /// Whether an id stands behind all of the base.
    pub(crate) fn is_behind_all(&self, id: &str) -> bool {
        self.slots.len().checked_sub(1).is_none_or(|last| self.base_id(last) < id)
    }

    /// A base with the same records in the order of the ids, built from
    /// records pushed in any order. `Err` gives the offset of the second of
    /// two records with one id.
    pub(crate) fn sorted(self) -> Result<Self, (String, u64)> {
        let mut order: Vec<usize> = (0..self.slots.len()).collect();
        order.sort_by(|&a, &b| self.base_id(a).cmp(self.base_id(b)).then(a.cmp(&b)));
        let mut sorted = Self::default();
        sorted.reserve(order.len());
        sorted.ids.reserve_exact(self.ids.len());
        for at in order {
            let id = self.base_id(at);
            if !sorted.is_behind_all(id) {
                return Err((id.to_owned(), self.slots[at].offset));
            }
            sorted.push(id, self.slots[at], self.digests[at]);
        }
        sorted.set_aside = self.set_aside;
        Ok(sorted)
    }
}

fn usize_of(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// The records of a table in the order of their ids.
pub(crate) struct Records<'t> {
    table: &'t Table,
    at: usize,
    added: btree_map::Range<'t, Box<str>, Slot>,
    next_added: Option<(&'t str, &'t Slot)>,
}

impl<'t> Iterator for Records<'t> {
    type Item = (&'t str, &'t Slot, ShortDigest);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let base =
                self.table.slots.get(self.at).map(|slot| (self.table.base_id(self.at), slot));
            let added_first = match (base, self.next_added) {
                (None, None) => return None,
                (Some((id, _)), Some((added, _))) => added < id,
                (None, Some(_)) => true,
                (Some(_), None) => false,
            };
            let item = if added_first {
                let (id, slot) = self.next_added?;
                self.next_added = self.added.next().map(|(id, slot)| (&**id, slot));
                (id, slot, NO_DIGEST)
            } else {
                let (id, slot) = base?;
                self.at += 1;
                (id, slot, self.table.digests[self.at - 1])
            };
            if item.1.place != Place::Gone {
                return Some(item);
            }
        }
    }
}
