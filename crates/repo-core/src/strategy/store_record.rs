//! What every store keeps about itself, from its first layout on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::strategy::{
    Capture, CaptureHolder, HistoryState, JobId, JobKind, LiveId, RoleChange, RoleState, StoreId,
    UnfinishedJob,
};
use crate::{CollectionName, Error, ErrorKind, Result};

/// The store's own record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoreRecord {
    /// Version of the physical layout; each strategy counts its own, from 1.
    /// 0 for what another program laid out.
    pub layout_version: u32,
    /// By which the store is known, however it is named. Made by `prepare`;
    /// `None` before that, for an older layout, and for what another program
    /// laid out.
    pub id: Option<StoreId>,
    /// Whether programs may write to the store.
    #[serde(default, skip_serializing_if = "RoleState::is_unused")]
    pub role: RoleState,
    /// Each prepared collection.
    pub collections: BTreeMap<CollectionName, CollectionState>,
    /// A job that has not finished.
    #[serde(rename = "migration")]
    pub job: Option<UnfinishedJob>,
    /// Collections that another handle fills since its
    /// [`prepare_for_load`](crate::strategy::StorageStrategy::prepare_for_load), or
    /// filled when it was killed: nobody else can use them. `prepare` by any
    /// handle ends a load that was broken off.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub loading: BTreeMap<CollectionName, CollectionState>,
    /// Whether writes are captured for the
    /// [change feed](crate::strategy::StorageStrategy::changes).
    #[serde(default, skip_serializing_if = "Capture::is_unused")]
    pub capture: Capture,
    /// The collections whose older versions are kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub history: BTreeMap<CollectionName, HistoryState>,
}

impl StoreRecord {
    /// The record of a store of this layout that holds nothing.
    #[must_use]
    pub fn new(layout_version: u32) -> Self {
        Self { layout_version, ..Self::default() }
    }

    /// The same with another [`id`](Self::id).
    #[must_use]
    pub fn with_id(mut self, id: Option<StoreId>) -> Self {
        self.id = id;
        self
    }

    /// The same with another [`role`](Self::role).
    #[must_use]
    pub fn with_role(mut self, role: RoleState) -> Self {
        self.role = role;
        self
    }

    /// The same with another [`collections`](Self::collections).
    #[must_use]
    pub fn with_collections(
        mut self,
        collections: BTreeMap<CollectionName, CollectionState>,
    ) -> Self {
        self.collections = collections;
        self
    }

    /// The same with another [`job`](Self::job).
    #[must_use]
    pub fn with_job(mut self, job: Option<UnfinishedJob>) -> Self {
        self.job = job;
        self
    }

    /// The same with another [`capture`](Self::capture).
    #[must_use]
    pub fn with_capture(mut self, capture: Capture) -> Self {
        self.capture = capture;
        self
    }

    /// The same with another [`history`](Self::history).
    #[must_use]
    pub fn with_history(mut self, history: BTreeMap<CollectionName, HistoryState>) -> Self {
        self.history = history;
        self
    }

    /// The same with another [`loading`](Self::loading).
    #[must_use]
    pub fn with_loading(mut self, loading: BTreeMap<CollectionName, CollectionState>) -> Self {
        self.loading = loading;
        self
    }
}

/// What the store keeps of one prepared collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CollectionState {
    /// `schemaVersion` of the schema that prepared it; 1 without a schema.
    pub schema_version: u32,
    /// The highest version that a purge removed; 0 at first. An id without a
    /// record starts one above it.
    pub floor: u64,
}

impl CollectionState {
    /// A collection of this schema version, and the highest version that a purge
    /// removed.
    #[must_use]
    pub const fn new(schema_version: u32, floor: u64) -> Self {
        Self { schema_version, floor }
    }
}

/// A change to the store's own record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUpdate {
    /// Raises the floor of a collection; a lower value changes nothing.
    RaiseFloor {
        /// The collection, which is prepared.
        collection: CollectionName,
        /// The new floor.
        floor: u64,
    },
    /// Sets or clears the unfinished job, if the one stored now is `expected`
    /// (`None`: no job). Otherwise `Locked`.
    Job {
        /// The job that the caller believes is stored.
        expected: Option<JobId>,
        /// What to store instead.
        job: Option<UnfinishedJob>,
    },
    /// Gives a copy of a store an id of its own, if the id stored now is
    /// `expected` and nothing in the store is unfinished. Otherwise `Locked`.
    Id {
        /// The id that the caller believes is stored.
        expected: StoreId,
        /// What to store instead.
        id: StoreId,
    },
    /// Captures writes for this holder, from now on until it is released. Every
    /// write that is acknowledged after the answer is in the feed, also one of a
    /// handle that was opened before. Safe to repeat.
    HoldCapture(CaptureHolder),
    /// The holder needs no changes any more; what it is not the last to need goes
    /// on being captured. Safe to repeat.
    ReleaseCapture(CaptureHolder),
    /// Keeps what records of a collection were before, from now on; or, with
    /// `None`, ends that and removes all of it. Whoever writes after the answer keeps
    /// what it replaces, also a handle that was opened before. Where history is kept
    /// already only its state changes, as [`HistoryState::replace`] says. `Locked` when
    /// the state stored now is not `expected` (`None`: no history).
    History {
        /// The collection, which is prepared.
        collection: CollectionName,
        /// The state that the caller believes is stored.
        expected: Option<HistoryState>,
        /// From when on, and how long.
        history: Option<HistoryState>,
    },
    /// Takes a step of the role of the store, if it is still in the state that the caller
    /// believes. Once a store is no authority any more, and this has answered, no
    /// write to it is acknowledged that was not applied before the answer, except of
    /// handles that [work for](crate::strategy::OpenOptions::works_for) the live migration:
    /// whichever process, program or older version of this one it comes from. Safe to repeat with
    /// what is stored then.
    ///
    /// `Locked`, `Invalid` and `Unsupported` as [`RoleChange::check`];
    /// `Unavailable` when the store was in use all the time, so nothing was changed.
    Role(Box<RoleChange>),
}

impl StoreUpdate {
    /// For strategies: whether the [role](RoleState) of the store allows this change.
    /// `location` is that of the store, `works_for` that of
    /// the handle's [`OpenOptions`](crate::strategy::OpenOptions).
    ///
    /// # Errors
    /// `Locked` otherwise.
    pub fn check_role(
        &self,
        role: &RoleState,
        location: &str,
        works_for: Option<LiveId>,
    ) -> Result<()> {
        match self {
            Self::RaiseFloor { .. } => role.check_apply("raise a floor", location, works_for),
            Self::History { .. } => role.check_rebuild("keep the history", location, works_for),
            Self::Id { .. } => role.check_rebuild("give the store a new id", location, works_for),
            // Its own live migration may empty the store at its end, and no other job begins.
            Self::Job { expected: None, job: Some(job) }
                if job.kind() == JobKind::CleanUp && works_for.is_some() =>
            {
                role.check_clean_up("begin a job", location, works_for)
            }
            Self::Job { expected: None, job: Some(job) } if job.kind() != JobKind::Mark => {
                role.check_idle("begin a job", location)
            }
            Self::HoldCapture(_) => role.check_apply("capture changes", location, works_for),
            Self::Job { .. } | Self::ReleaseCapture(_) | Self::Role(_) => Ok(()),
        }
    }
}

/// Checks the condition of [`StoreUpdate::Id`]: that the stored id is the
/// expected one, and that no job of the store but a mark is unfinished.
///
/// # Errors
/// `Locked` otherwise.
pub fn check_new_id(
    stored: Option<StoreId>,
    job: Option<&UnfinishedJob>,
    expected: StoreId,
) -> Result<()> {
    let refuse = |why| Error::new(ErrorKind::Locked, "give the store a new id", why);
    if job.is_some_and(|job| job.kind() != JobKind::Mark) {
        return Err(refuse("a migration or a clean-up of this store is unfinished")
            .hint("finish it first: run it again"));
    }
    if stored == Some(expected) {
        return Ok(());
    }
    let stored = stored.map_or_else(|| "none".to_owned(), |id| id.to_string());
    Err(refuse("the store has another id by now").with("stored", stored).with("expected", expected))
}
