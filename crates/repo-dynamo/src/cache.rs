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

use repo_core::CollectionName;

use crate::layout::Layout;

/// How long what is known of the collections is used.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// A prepared collection and its floor.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) layout: Layout,
    pub(crate) floor: u64,
    /// The generation that writes are captured in, if they are.
    pub(crate) capture: Option<u64>,
    /// When this was read.
    pub(crate) read_at: Instant,
}

/// The prepared collections at one time.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) tables: BTreeMap<CollectionName, Arc<Table>>,
    pub(crate) loading: BTreeSet<CollectionName>,
    /// The generation that writes are captured in, if they are.
    pub(crate) capture: Option<u64>,
    pub(crate) read_at: Instant,
}

/// What is known of the collections, and since when.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    known: RwLock<Option<Arc<Catalog>>>,
    /// Whether writes were captured when the record was last read, however long ago.
    captures: AtomicBool,
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

    /// What is known, unless it is older than [`LEASE`].
    pub(crate) fn get(&self) -> Option<Arc<Catalog>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.clone().filter(|catalog| catalog.read_at.elapsed() < LEASE)
    }

    /// Keeps what was read, unless something newer is known.
    pub(crate) fn keep(&self, catalog: &Arc<Catalog>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|older| older.read_at <= catalog.read_at) {
            *known = Some(Arc::clone(catalog));
            self.set_captures(catalog.capture.is_some());
        }
    }

    /// Whether writes are captured, as far as it is known.
    pub(crate) fn captures(&self) -> bool {
        self.captures.load(Ordering::Relaxed)
    }

    pub(crate) fn set_captures(&self, captures: bool) {
        self.captures.store(captures, Ordering::Relaxed);
    }
}
