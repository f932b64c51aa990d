//! Loads: the filling of new collections by `BatchWriteItem`, which is three
//! times as fast as conditional writes and replaces whatever it meets.
//!
//! It may never replace what a writer was told is durable. So a collection that
//! is being loaded is in the store's record under `loads`, with the token of
//! the handle that loads it, and not under `collections`: no other handle of
//! any process can read or write it. It becomes an ordinary collection by one
//! compare-and-set, and before that no request of the load may be under way any
//! more, also none that was lost or that a stopped process sends when it is
//! woken:
//! - each request is signed with the time of the last renewal of the load in
//!   the store's record, so the server refuses it once that is too long ago
//!   (`fence`);
//! - who ends a load that has a lost request, or takes over the load of
//!   another, first asks the server whether it still takes such a signature;
//! - an id that comes twice in one load is written by a conditional request
//!   the second time, after everything unconditional was answered (`send`).

mod begin;
mod end;
mod fence;
#[cfg(test)]
mod model;
mod send;
mod take_over;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use fastbloom::BloomFilter;
use repo_core::strategy::StoreId;
use repo_core::{CollectionName, Error, ErrorKind, Key, Result, Timestamp};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::catalog::Table;
use crate::definition::{CollectionDefinition, Definition};
use crate::layout::Layout;
use crate::load::fence::SigningClock;
pub(crate) use crate::load::fence::{Ages, CHECKED_LAG, UNCHECKED_WINDOW};
use crate::shared::Shared;

/// Memory in which the ids of the running loads are remembered, however many
/// they are: 10,000,000 take a conditional request for one new id in 600.
const FILTER_BITS: usize = 16 * 1_024 * 1_024 * 8;
const FILTER_HASHES: u32 = 9;

/// How often a change of the store's record is made again whose answer was
/// lost.
const LOST_ANSWERS: usize = 5;

/// What one handle loads.
#[derive(Debug)]
pub(crate) struct Session {
    /// Stands in the store's record with each load of this handle.
    token: StoreId,
    /// Signs with the time of the last renewal.
    client: Client,
    clock: SigningClock,
    /// How old a renewal may be when a request is sent.
    lag: Duration,
    /// Read by requests that are under way, written by whoever has to know
    /// that there is none.
    open: Arc<RwLock<Open>>,
    /// The names in `open`, to be asked for without waiting.
    names: Mutex<BTreeSet<CollectionName>>,
    /// When all that is open was last confirmed.
    renewed: Mutex<Option<Instant>>,
    renewing: tokio::sync::Mutex<()>,
    unanswered: Mutex<Option<Unanswered>>,
}

/// The collections that are being loaded.
#[derive(Default)]
pub(crate) struct Open {
    layouts: BTreeMap<CollectionName, Arc<Layout>>,
    /// What was written; made with the first load.
    seen: Mutex<Option<BloomFilter>>,
}

pub(crate) type UnderWay = Arc<OwnedRwLockReadGuard<Open>>;

/// A request that may still arrive.
#[derive(Debug, Clone, Copy)]
struct Unanswered {
    /// What it was signed with, or later.
    signed: Timestamp,
    given_up: Instant,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.layouts.keys()).finish()
    }
}

impl Open {
    /// Remembers the key; whether it was remembered already. It may say so of
    /// one that was not.
    fn remember(&self, key: &Key) -> bool {
        locked(&self.seen).as_mut().is_none_or(|seen| seen.insert(key))
    }

    /// The table of a collection that is being loaded.
    fn table(&self, name: &CollectionName) -> Option<Arc<Table>> {
        let layout = self.layouts.get(name)?;
        let layout = Layout::clone(layout);
        Some(Arc::new(Table { layout, floor: 0, read_at: Instant::now() }))
    }
}

impl Session {
    /// Takes up a collection, which has to be confirmed with the next request.
    async fn insert(&self, name: CollectionName, layout: Layout) {
        let mut open = self.open.write().await;
        let filter = || BloomFilter::with_num_bits(FILTER_BITS).hashes(FILTER_HASHES);
        locked(&open.seen).get_or_insert_with(filter);
        locked(&self.names).insert(name.clone());
        open.layouts.insert(name, Arc::new(layout));
        *locked(&self.renewed) = None;
    }

    /// Lets collections go, and what is remembered with the last one.
    fn remove(&self, open: &mut Open, names: &[CollectionName]) {
        for name in names {
            open.layouts.remove(name);
            locked(&self.names).remove(name);
        }
        if open.layouts.is_empty() {
            *locked(&open.seen) = None;
        }
    }

    /// Notes a request that ended without an answer.
    fn note_unanswered(&self) {
        let found = Unanswered { signed: self.clock.latest(), given_up: Instant::now() };
        *locked(&self.unanswered) = Some(found);
    }

    fn is_renewed(&self) -> bool {
        locked(&self.renewed).is_some_and(|renewed| renewed.elapsed() < self.lag)
    }

    /// Whether the load of a collection in the store's record is of this
    /// handle.
    pub(crate) fn owns(&self, definition: &Definition, name: &CollectionName) -> bool {
        definition.loads.get(name).is_some_and(|load| load.token == self.token)
    }
}

impl Shared {
    /// The loads of this handle, made with the first one.
    async fn loading_session(&self) -> Result<&Arc<Session>> {
        self.session
            .get_or_try_init(|| async {
                let lag = match self.signature_ages("prepare").await? {
                    Ages::Checked => CHECKED_LAG,
                    Ages::Ignored => UNCHECKED_WINDOW / 4,
                };
                let clock = SigningClock::default();
                Ok(Arc::new(Session {
                    token: StoreId::random()?,
                    client: fence::signing_with(&self.client, clock.clone()),
                    clock,
                    lag,
                    open: Arc::default(),
                    names: Mutex::default(),
                    renewed: Mutex::default(),
                    renewing: tokio::sync::Mutex::default(),
                    unanswered: Mutex::default(),
                }))
            })
            .await
    }

    /// The table of a collection that this handle loads.
    pub(crate) async fn loaded_table(&self, collection: &CollectionName) -> Option<Arc<Table>> {
        let session = self.session.get()?;
        if !locked(&session.names).contains(collection) {
            return None;
        }
        session.open.read().await.table(collection)
    }

    /// What the store's record shows to this handle.
    pub(crate) fn shown(&self, definition: &Definition) -> repo_core::strategy::StoreRecord {
        let session = self.session.get();
        definition.to_record(|name| session.is_some_and(|session| session.owns(definition, name)))
    }

    /// The state of a collection in the store's record, one that this handle
    /// loads included.
    pub(crate) fn own_collection<'a>(
        &self,
        definition: &'a mut Definition,
        name: &CollectionName,
    ) -> Option<&'a mut CollectionDefinition> {
        let owned = self.session.get().is_some_and(|session| session.owns(definition, name));
        match definition.loads.get_mut(name).filter(|_| owned) {
            Some(load) => Some(&mut load.definition),
            None => definition.collections.get_mut(name),
        }
    }

    /// Changes the store's record, again when an answer was lost: the change
    /// must know its own work.
    async fn change_again<F>(&self, operation: &'static str, mut change: F) -> Result<Definition>
    where
        F: FnMut(&mut Definition) -> Result<()>,
    {
        for _ in 0..LOST_ANSWERS {
            match self.change_definition(operation, &mut change).await {
                Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {}
                done => return done,
            }
        }
        let scene = self.repeatable(operation, &self.store_table);
        Err(scene.later("the answers about the store's record keep getting lost").error)
    }

    /// Sees to it that the loads of this handle were confirmed in the store's
    /// record a short time ago.
    ///
    /// # Errors
    /// `Locked` when another run has taken one over.
    async fn renew(&self, session: &Session, open: &Open) -> Result<()> {
        if session.is_renewed() {
            return Ok(());
        }
        let _renewing = session.renewing.lock().await;
        if session.is_renewed() {
            return Ok(());
        }
        let (begun, at) = (Instant::now(), fence::now());
        self.change_again("apply", |definition| {
            if let Some(name) = open.layouts.keys().find(|name| !session.owns(definition, name)) {
                return Err(self.taken_over("apply", name));
            }
            for load in definition.loads.values_mut().filter(|load| load.token == session.token) {
                load.renew(at);
            }
            Ok(())
        })
        .await?;
        session.clock.set(at);
        *locked(&session.renewed) = Some(begun);
        Ok(())
    }

    fn taken_over(&self, operation: &'static str, collection: &CollectionName) -> Error {
        Error::new(ErrorKind::Locked, operation, "another run took over the load of a collection")
            .with("store", &self.location)
            .with("collection", collection)
            .hint(
                "what this handle was told is written is there; let the other run end, \
                 or begin again",
            )
    }
}
