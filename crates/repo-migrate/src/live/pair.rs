//! The two stores of a live migration, and which of them is the authority.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{
    CaptureHolder, LiveId, RoleChange, RoleState, StorageStrategy, StoreId, StoreRecord, StoreRole,
    StoreUpdate,
};
use repo_core::{Error, ErrorKind, Result};

/// How often both roles are looked at, one after the other, before both stores are believed to
/// be the authority.
const MOST_LOOKS: usize = 5;

/// Opens one of the stores: as a program does, or to work for a live migration.
#[async_trait]
pub trait LivePlace: fmt::Debug + Send + Sync {
    /// A handle for writing, with
    /// [`works_for`](repo_core::strategy::OpenOptions::works_for) as given.
    ///
    /// # Errors
    /// Those of opening the store.
    async fn open(&self, works_for: Option<LiveId>) -> Result<Arc<dyn StorageStrategy>>;
}

/// The two places of a live migration.
#[derive(Debug, Clone, Copy)]
pub struct LiveStores<'a> {
    /// The store that programs are configured with.
    pub source: &'a dyn LivePlace,
    /// The store that it moves to.
    pub target: &'a dyn LivePlace,
}

impl Direction<'_> {
    /// Whether the leader leads still in this epoch. What was read before the authority changed
    /// hands says nothing of the two stores as they are now: the one that has taken over is
    /// ahead.
    pub(super) async fn leads_still(&self, epoch: u64) -> Result<bool> {
        let now = self.leader.role().await?;
        let leads = matches!(now.role, StoreRole::Authority | StoreRole::Fenced);
        Ok(leads && now.epoch == epoch)
    }
}

/// One store, opened to work for the live migration.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) store: Arc<dyn StorageStrategy>,
    pub(super) id: StoreId,
}

/// Both stores of a live migration that both take part in.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) live: LiveId,
    pub(super) source: Side,
    pub(super) target: Side,
}

/// The sides in the direction in which changes go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Direction<'a> {
    /// The authority, or the one that is giving it up.
    pub(super) leader: &'a Side,
    pub(super) follower: &'a Side,
}

impl Side {
    pub(super) async fn open(place: &dyn LivePlace, live: LiveId) -> Result<Self> {
        let store = place.open(Some(live)).await?;
        let id = store.store_record().await?.id.ok_or_else(|| without_id(store.location()))?;
        Ok(Self { store, id })
    }

    pub(super) async fn record(&self) -> Result<StoreRecord> {
        self.store.store_record().await
    }

    pub(super) async fn role(&self) -> Result<RoleState> {
        Ok(self.record().await?.role)
    }

    /// Takes a step from a state of the role.
    ///
    /// # Errors
    /// `Locked` when it is another one by now.
    pub(super) async fn step(
        &self,
        from: &RoleState,
        change: impl FnOnce(&mut RoleState),
    ) -> Result<RoleState> {
        step(self.store.as_ref(), from, change).await
    }
}

/// Takes a step from a state of the role of a store.
///
/// # Errors
/// `Locked` when it is another one by now.
pub(super) async fn step(
    store: &dyn StorageStrategy,
    from: &RoleState,
    change: impl FnOnce(&mut RoleState),
) -> Result<RoleState> {
    let mut next = from.clone();
    change(&mut next);
    let change = Box::new(RoleChange::new(from.clone(), next));
    Ok(store.update_store_record(StoreUpdate::Role(change)).await?.role)
}

impl Pair {
    /// The live migration that both stores take part in.
    ///
    /// # Errors
    /// `NotFound` when the source takes part in none, or the target in another one.
    pub(super) async fn open(stores: LiveStores<'_>) -> Result<Self> {
        let found = stores.source.open(None).await?;
        let location = found.location().to_owned();
        let live = found.store_record().await?.role.live;
        found.close().await?;
        let live = live.ok_or_else(|| {
            let why = "the store takes part in no live migration";
            Error::new(ErrorKind::NotFound, "find the live migration", why).with("store", location)
        })?;
        let pair = Self {
            live,
            source: Side::open(stores.source, live).await?,
            target: Side::open(stores.target, live).await?,
        };
        if pair.target.role().await?.live != Some(live) {
            let why = "the target takes part in another live migration, or in none";
            return Err(Error::new(ErrorKind::NotFound, "find the live migration", why)
                .with("store", pair.target.store.location())
                .with("live_migration", live));
        }
        Ok(pair)
    }

    /// Who holds the capture of changes for this migration.
    ///
    /// # Errors
    /// None that can happen.
    pub(super) fn holder(&self) -> Result<CaptureHolder> {
        CaptureHolder::new("live", &self.live.to_string())
    }

    /// The direction in which changes go now, with the role of the leader.
    ///
    /// # Errors
    /// `Locked` while neither store is the authority, nor is giving it up.
    pub(super) async fn direction(&self) -> Result<(Direction<'_>, RoleState)> {
        let leads =
            |role: &RoleState| matches!(role.role, StoreRole::Authority | StoreRole::Fenced);
        for _ in 0..MOST_LOOKS {
            let [source, target] = [self.source.role().await?, self.target.role().await?];
            let (from, role) = match (leads(&source), leads(&target)) {
                (true, false) => (true, source),
                (false, true) => (false, target),
                // A decision whose successor is still to be promoted: what was decided last leads.
                (false, false) => {
                    let source_decided = source.epoch > target.epoch;
                    (source_decided, if source_decided { source } else { target })
                }
                // The authority changed hands between the two looks.
                (true, true) => continue,
            };
            return Ok((self.towards(from), role));
        }
        let why = "both stores are the authority: one was restored, or aborted";
        Err(Error::new(ErrorKind::Foreign, "find the live migration", why)
            .with("source", self.source.store.location())
            .with("target", self.target.store.location()))
    }

    /// From the source to the target, or back.
    pub(super) fn towards(&self, target: bool) -> Direction<'_> {
        match target {
            true => Direction { leader: &self.source, follower: &self.target },
            false => Direction { leader: &self.target, follower: &self.source },
        }
    }

    /// Closes both handles.
    pub(super) async fn close(&self) -> Result<()> {
        let closed = self.source.store.close().await;
        self.target.store.close().await.and(closed)
    }
}

pub(super) fn without_id(location: &str) -> Error {
    let why = "the store has no id: it is of an older layout, or was never prepared";
    Error::new(ErrorKind::Unsupported, "open a store of a live migration", why)
        .with("store", location)
        .hint(format!(
            "bring it to the newest layout with {}",
            repo_core::strategy::Action::UpgradeLayout
        ))
}
