//! Which store is the authority, and until when that is known.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use repo_core::strategy::{
    Capabilities, RoleChange, RoleState, Route, StorageStrategy, StoreId, StoreRecord, StoreRole,
    StoreUpdate,
};
use repo_core::{Error, ErrorKind, Result};

use crate::opened::Opened;
use crate::{Routes, RoutingOptions};

/// Most stores that are followed one after the other.
const MOST_HOPS: usize = 8;

/// The store that was the authority, and when it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) place: usize,
    pub(crate) epoch: u64,
    since: Instant,
}

impl Held {
    fn is_fresh(&self, than: Duration) -> bool {
        self.since.elapsed() < than
    }

    /// Whether the authority has not changed hands between the two.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.place, self.epoch) == (other.place, other.epoch)
    }
}

/// What asking the stores gave.
enum Found {
    Authority(Held),
    /// The store is fenced; nobody is the authority for a moment.
    Moving,
}

#[derive(Debug)]
pub(crate) struct Router {
    opened: Opened,
    configured: OnceLock<StoreId>,
    routes: Box<dyn Routes>,
    pub(crate) options: RoutingOptions,
    held: RwLock<Option<Held>>,
    /// Held by the caller that asks; the others wait for its answer.
    asking: tokio::sync::Mutex<()>,
    /// The fence that was met, and when first.
    fence: Mutex<Option<(StoreId, u64, Instant)>>,
}

impl Router {
    pub(crate) fn new(
        configured: Arc<dyn StorageStrategy>,
        routes: Box<dyn Routes>,
        options: RoutingOptions,
    ) -> Self {
        Self {
            opened: Opened::new(configured),
            configured: OnceLock::new(),
            routes,
            options,
            held: RwLock::default(),
            asking: tokio::sync::Mutex::default(),
            fence: Mutex::default(),
        }
    }

    /// Every store that was opened.
    pub(crate) fn stores(&self) -> impl Iterator<Item = &Arc<dyn StorageStrategy>> {
        self.opened.iter()
    }

    /// The store that was the authority when one was last asked.
    pub(crate) fn current(&self) -> &Arc<dyn StorageStrategy> {
        self.store_at(self.held().map_or(0, |held| held.place))
    }

    /// Its capabilities.
    pub(crate) fn capabilities(&self) -> &Capabilities {
        self.opened.capabilities(self.current().as_ref())
    }

    pub(crate) fn store_at(&self, place: usize) -> &Arc<dyn StorageStrategy> {
        self.opened.at(place)
    }

    fn held(&self) -> Option<Held> {
        *self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lease: the store is the authority, and may be read. Waits while a store is being moved,
    /// until `deadline` at most.
    ///
    /// # Errors
    /// `Unavailable` when the move took longer; those of following a route.
    pub(crate) async fn lease(&self, deadline: Instant) -> Result<Held> {
        let known = self.held();
        if let Some(held) = known.filter(|held| held.is_fresh(RoutingOptions::RENEW_AFTER)) {
            return Ok(held);
        }
        match self.authority(Instant::now(), deadline).await {
            // What was known is good for a while yet.
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                known.filter(|held| held.is_fresh(RoutingOptions::LEASE)).ok_or(error)
            }
            asked => asked,
        }
    }

    /// The authority as it is now or was after `since`.
    ///
    /// # Errors
    /// As [`lease`](Self::lease).
    pub(crate) async fn authority(&self, since: Instant, deadline: Instant) -> Result<Held> {
        loop {
            match self.ask(since).await? {
                Found::Authority(held) => return Ok(held),
                Found::Moving if Instant::now() < deadline => {
                    tokio::time::sleep(RoutingOptions::ASK_AGAIN).await;
                }
                Found::Moving => return Err(self.too_long()),
            }
        }
    }

    /// The error for a move that does not end.
    pub(crate) fn too_long(&self) -> Error {
        let why = "the store is being moved, and that takes too long";
        Error::new(ErrorKind::Unavailable, "find the store", why)
            .with("store", self.current().location())
            .with("waited_seconds", self.options.patience.as_secs())
            .hint("nothing was written; try again")
    }

    async fn ask(&self, since: Instant) -> Result<Found> {
        let _asking = self.asking.lock().await;
        let known = self.held();
        if let Some(held) = known.filter(|held| held.since >= since) {
            return Ok(Found::Authority(held));
        }
        let mut place = known.map_or(0, |held| held.place);
        let mut least = 0;
        for _ in 0..MOST_HOPS {
            let asked_at = Instant::now();
            let store = self.store_at(place);
            let record = store.store_record().await?;
            if let (0, Some(id)) = (place, record.id) {
                let _ = self.configured.set(id);
            }
            match self.judge(store.as_ref(), &record, least).await? {
                Step::Serve(epoch) => {
                    let held = Held { place, epoch, since: asked_at };
                    self.keep(held);
                    return Ok(Found::Authority(held));
                }
                Step::Wait => return Ok(Found::Moving),
                Step::AskAgain => {}
                Step::Follow(route) => {
                    least = record.role.epoch;
                    place = self.follow(&route).await?;
                }
            }
        }
        let why = "the stores name each other as successors without an end";
        Err(Error::new(ErrorKind::Foreign, "find the store", why)
            .with("store", self.store_at(0).location())
            .hint("look at the role of each store; one of them may be an old copy"))
    }

    fn keep(&self, held: Held) {
        let mut kept = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none_or(|before| !before.is_same(&held)) {
            tracing::info!(
                store = self.store_at(held.place).location(),
                epoch = held.epoch,
                "this store is the authority"
            );
        }
        *kept = Some(held);
    }

    /// What a record says is to be done. `least` is the epoch of the decision that named the
    /// store.
    async fn judge(
        &self,
        store: &dyn StorageStrategy,
        record: &StoreRecord,
        least: u64,
    ) -> Result<Step> {
        let role = &record.role;
        match (role.role, &role.route) {
            (StoreRole::Authority, _) if role.epoch >= least => Ok(Step::Serve(role.epoch)),
            (StoreRole::Retired, Some(route)) if role.epoch >= least => {
                Ok(Step::Follow(route.clone()))
            }
            (StoreRole::Fenced, _) => self.meet_fence(store, record).await,
            // On the way back the successor is one that had retired before.
            (StoreRole::Replica | StoreRole::Retired, _) if least > role.epoch => {
                let mut next = role.clone();
                next.role = StoreRole::Authority;
                next.epoch = least;
                next.route = None;
                step(store, role, next).await
            }
            (StoreRole::Replica, _) => {
                role.check_commit("find the store", store.location())?;
                Ok(Step::Wait)
            }
            _ => {
                let why = "the successor of the store is older than the decision that named it";
                Err(Error::new(ErrorKind::Foreign, "find the store", why)
                    .with("store", store.location())
                    .with("epoch", role.epoch)
                    .with("decided_epoch", least)
                    .hint("it may have been restored from a backup; nothing was read or written"))
            }
        }
    }

    /// Waits for a fence, or lifts one that nobody ends.
    async fn meet_fence(&self, store: &dyn StorageStrategy, record: &StoreRecord) -> Result<Step> {
        let Some(id) = record.id else { return Ok(Step::Wait) };
        let role = &record.role;
        let met = {
            let mut fence = self.fence.lock().unwrap_or_else(PoisonError::into_inner);
            match *fence {
                Some((of, attempt, met)) if (of, attempt) == (id, role.attempt) => met,
                _ => fence.insert((id, role.attempt, Instant::now())).2,
            }
        };
        let most = Duration::from_millis(role.max_pause_ms.unwrap_or_default().into());
        if met.elapsed() < most + RoleState::FENCE_GRACE {
            return Ok(Step::Wait);
        }
        tracing::warn!(
            store = store.location(),
            attempt = role.attempt,
            "the live migration that fenced the store is gone; the fence is lifted"
        );
        let mut next = role.clone();
        next.role = StoreRole::Authority;
        next.attempt = role.attempt.saturating_add(1);
        next.max_pause_ms = None;
        step(store, role, next).await
    }

    /// The place of the successor.
    async fn follow(&self, route: &Route) -> Result<usize> {
        if self.configured.get() == Some(&route.store) {
            return Ok(0);
        }
        if let Some(place) = self.opened.place_of(route.store) {
            return Ok(place);
        }
        match self.routes.open(route).await? {
            Some(store) => Ok(self.opened.push(route.store, store)),
            None => {
                let why = "the store has moved to a place that this program does not name";
                Err(Error::new(ErrorKind::Locked, "find the store", why)
                    .with("store", self.store_at(0).location())
                    .with("successor", &route.successor)
                    .with("successor_id", route.store)
                    .hint("name the successor among the routes of the configuration"))
            }
        }
    }
}

enum Step {
    Serve(u64),
    Wait,
    AskAgain,
    Follow(Route),
}

/// Takes a step of a role that somebody left undone. Others may be faster.
async fn step(store: &dyn StorageStrategy, from: &RoleState, to: RoleState) -> Result<Step> {
    let change = RoleChange::new(from.clone(), to);
    match store.update_store_record(StoreUpdate::Role(Box::new(change))).await {
        Ok(_) => Ok(Step::AskAgain),
        Err(error) if error.kind() == ErrorKind::Locked => Ok(Step::AskAgain),
        Err(error) => Err(error),
    }
}
