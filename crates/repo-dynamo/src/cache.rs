//! The prepared collections as this handle knows them, for a while.
//!
//! What is cached may be as old as [`LEASE`]. That is safe: a purge leaves the
//! version that an id had in its place for much longer (see `purge`), and a
//! change of indexes waits until no handle writes by the old ones (see
//! `prepare` and `settle`).
//!
//! All of it is one item in the table `PREFIX__store` (no collection's name
//! begins with `_`), written whole by compare-and-set on a revision. A table is
//! ours when this record lists its collection, and the record lists it before
//! the table is made. A table that is there and not listed is another program's,
//! whatever its keys, and stays unaltered. The store's own table is ours by the
//! mark in the item; an empty one with the right key counts as one that a killed
//! run left. An item has 400 KB, which is room for some hundreds of collections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use repo_core::strategy::RoleState;
use repo_core::{CollectionName, Timestamp};

use crate::layout::Layout;

/// How long what is known of the collections is used.
pub(crate) const LEASE: Duration = Duration::from_secs(2);
/// The same while the store takes part in a live migration: the pause in which the authority
/// changes hands is longer than this. It counts from when every handle knows of the live
/// migration, for which its beginning waits.
const LIVE_LEASE: Duration = Duration::from_millis(400);

/// How long a record of the store is used that says this of its role.
pub(crate) fn lease(role: &RoleState) -> Duration {
    if role.live.is_some() { LIVE_LEASE } else { LEASE }
}

/// A prepared collection and its floor.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) layout: Layout,
    pub(crate) floor: u64,
    /// The generation that writes are captured in, if they are.
    pub(crate) capture: Option<u64>,
    /// The history that writes are kept in, if they are.
    pub(crate) history: Option<TableHistory>,
    /// Whether the store takes writes.
    pub(crate) role: Arc<RoleState>,
    /// When this was read.
    pub(crate) read_at: Instant,
}

/// The history of a collection, one that begins included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableHistory {
    pub(crate) number: u64,
    /// Whether every writer knows of it.
    pub(crate) settled: bool,
    pub(crate) since: Timestamp,
}

impl Table {
    /// One of which writes keep nothing, as it is now.
    pub(crate) fn unrecorded(layout: Layout) -> Self {
        let role = Arc::default();
        Self { layout, floor: 0, capture: None, history: None, role, read_at: Instant::now() }
    }

    /// What is recorded beside writes of this collection.
    pub(crate) fn recorded(&self) -> Recorded {
        Recorded { captures: self.capture.is_some(), keeps: self.history.is_some() }
    }

    /// Whether a write has to know what it replaces: it is a transaction then.
    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded().items_of_a_write() > 1
    }
}

/// What is recorded beside writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Whether they are captured for the change feed.
    pub(crate) captures: bool,
    /// Whether what they replace is kept, in this collection or in any.
    pub(crate) keeps: bool,
}

impl Recorded {
    /// The items that a write takes at most. Of two that a history takes one is what was
    /// replaced, the other says who did it.
    pub(crate) fn items_of_a_write(self) -> usize {
        1 + usize::from(self.captures) + 2 * usize::from(self.keeps)
    }
}

/// The prepared collections at one time.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) tables: BTreeMap<CollectionName, Arc<Table>>,
    pub(crate) loading: BTreeSet<CollectionName>,
    /// The generation that writes are captured in, if they are.
    pub(crate) capture: Option<u64>,
    pub(crate) role: Arc<RoleState>,
    pub(crate) read_at: Instant,
}

/// What is known of the collections, and since when.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    known: RwLock<Option<Arc<Catalog>>>,
    /// What [`Self::recorded`] answers.
    captures: AtomicBool,
    keeps: AtomicBool,
    /// Held by the caller that reads; the others wait for its answer.
    pub(crate) reading: tokio::sync::Mutex<()>,
}

impl Cache {
    /// The prepared collections, as far as they are known.
    pub(crate) fn collections(&self) -> Vec<CollectionName> {
        self.get().iter().flat_map(|catalog| catalog.tables.keys().cloned()).collect()
    }

    /// Whether the collection is being loaded, as far as it is known.
    pub(crate) fn is_loading(&self, collection: &CollectionName) -> bool {
        self.get().is_some_and(|catalog| catalog.loading.contains(collection))
    }

    /// What is known, unless it is older than its [`lease`].
    pub(crate) fn get(&self) -> Option<Arc<Catalog>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.clone().filter(|catalog| catalog.read_at.elapsed() < lease(&catalog.role))
    }

    /// Keeps what was read, unless something newer is known.
    pub(crate) fn keep(&self, catalog: &Arc<Catalog>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|older| older.read_at <= catalog.read_at) {
            *known = Some(Arc::clone(catalog));
            let keeps = catalog.tables.values().any(|table| table.history.is_some());
            self.set_recorded(Recorded { captures: catalog.capture.is_some(), keeps });
        }
    }

    /// What is recorded of writes, by what was known when the record was last read,
    /// however long ago.
    pub(crate) fn recorded(&self) -> Recorded {
        Recorded {
            captures: self.captures.load(Ordering::Relaxed),
            keeps: self.keeps.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn set_recorded(&self, recorded: Recorded) {
        self.captures.store(recorded.captures, Ordering::Relaxed);
        self.keeps.store(recorded.keeps, Ordering::Relaxed);
    }
}
