//! What one handle loads, and what is known of its requests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use fastbloom::BloomFilter;
use repo_core::strategy::StoreId;
use repo_core::{CollectionName, Key, Timestamp};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::cache::Table;
use crate::definition::Definition;
use crate::layout::Layout;
use crate::load::lock::locked;
use crate::load::signing::SigningClock;

/// Memory in which the ids of the running loads are remembered, however many
/// they are: 10,000,000 take a conditional request for one new id in 600.
const FILTER_BITS: usize = 16 * 1_024 * 1_024 * 8;
const FILTER_HASHES: u32 = 9;

/// What one handle loads.
#[derive(Debug)]
pub(crate) struct Session {
    /// Stands in the store's record with each load of this handle.
    pub(super) token: StoreId,
    /// Signs with the time of the last renewal.
    pub(super) client: Client,
    pub(super) clock: SigningClock,
    /// How old a renewal may be when a request is sent.
    pub(super) lag: Duration,
    /// Read by requests that are under way, written by the caller
    /// that has to know that there is none.
    pub(super) open: Arc<RwLock<Open>>,
    /// The names in `open`, to be asked for without waiting.
    pub(super) names: Mutex<BTreeSet<CollectionName>>,
    /// When all that is open was last confirmed.
    pub(super) renewed: Mutex<Option<Instant>>,
    pub(super) renewing: tokio::sync::Mutex<()>,
    pub(super) unanswered: Mutex<Option<Unanswered>>,
}

/// The collections that are being loaded.
#[derive(Default)]
pub(crate) struct Open {
    pub(super) layouts: BTreeMap<CollectionName, Arc<Layout>>,
    /// What was written; made with the first load.
    seen: Mutex<Option<BloomFilter>>,
}

pub(super) type UnderWay = Arc<OwnedRwLockReadGuard<Open>>;

/// A request that may still arrive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unanswered {
    /// What it was signed with, or later.
    pub(super) signed: Timestamp,
    pub(super) given_up: Instant,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.layouts.keys()).finish()
    }
}

impl Open {
    /// Remembers the key; whether it was remembered already. It may say so of
    /// one that was not.
    pub(super) fn remember(&self, key: &Key) -> bool {
        locked(&self.seen).as_mut().is_none_or(|seen| seen.insert(key))
    }

    /// The table of a collection that is being loaded.
    pub(super) fn table(&self, name: &CollectionName) -> Option<Arc<Table>> {
        let layout = self.layouts.get(name)?;
        let layout = Layout::clone(layout);
        // Nothing is captured while anything is loaded, and what is loaded has no history.
        Some(Arc::new(Table::unrecorded(layout)))
    }
}

impl Session {
    /// Takes up a collection, which has to be confirmed with the next request.
    pub(super) async fn insert(&self, name: CollectionName, layout: Layout) {
        let mut open = self.open.write().await;
        let filter = || BloomFilter::with_num_bits(FILTER_BITS).hashes(FILTER_HASHES);
        locked(&open.seen).get_or_insert_with(filter);
        locked(&self.names).insert(name.clone());
        open.layouts.insert(name, Arc::new(layout));
        *locked(&self.renewed) = None;
    }

    /// Lets collections go, and what is remembered with the last one.
    pub(super) fn remove(&self, open: &mut Open, names: &[CollectionName]) {
        for name in names {
            open.layouts.remove(name);
            locked(&self.names).remove(name);
        }
        if open.layouts.is_empty() {
            *locked(&open.seen) = None;
        }
    }

    /// Notes a request that ended without an answer.
    pub(super) fn note_unanswered(&self) {
        let found = Unanswered { signed: self.clock.latest(), given_up: Instant::now() };
        *locked(&self.unanswered) = Some(found);
    }

    pub(super) fn is_renewed(&self) -> bool {
        locked(&self.renewed).is_some_and(|renewed| renewed.elapsed() < self.lag)
    }

    /// Whether the load of a collection in the store's record is of this
    /// handle.
    pub(crate) fn owns(&self, definition: &Definition, name: &CollectionName) -> bool {
        definition.loads.get(name).is_some_and(|load| load.token == self.token)
    }
}
