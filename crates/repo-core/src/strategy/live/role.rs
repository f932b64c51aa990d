//! The role of a store, and what it allows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::refusals::{ended, not_authority, taken_over, taking_part};
use super::store_role::StoreRole;
use crate::strategy::{LiveId, Route, SystemWrite};
use crate::{HealthCheck, Result};

/// The role of a store and all that is decided together with it. Part of the
/// [store's own record](crate::strategy::StoreRecord), and changed by
/// [`RoleChange`](crate::strategy::RoleChange) alone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RoleState {
    /// Whether programs may write.
    #[serde(default)]
    pub role: StoreRole,
    /// How often the authority has changed hands, as far as this store knows. Never
    /// falls.
    #[serde(default)]
    pub epoch: u64,
    /// How often a fence was put up or lifted. Never falls, so a decision of an older
    /// attempt cannot be taken for one of this.
    #[serde(default)]
    pub attempt: u64,
    /// The live migration that the store takes part in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveId>,
    /// How long a fence may last, in milliseconds; `None` unless the store is fenced. After
    /// that, and [`FENCE_GRACE`](Self::FENCE_GRACE) on top, whoever meets the fence may lift
    /// it: the live migration that put it up was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pause_ms: Option<u32>,
    /// Where a retired store has moved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
}

impl RoleState {
    /// How much longer than [`max_pause_ms`](Self::max_pause_ms) a fence is left alone, so
    /// that a live migration that is at work ends it itself.
    pub const FENCE_GRACE: Duration = Duration::from_secs(2);

    /// Whether the store never took part in a live migration.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the store takes writes from every program.
    #[must_use]
    pub fn takes_writes(&self) -> bool {
        self.role == StoreRole::Authority
    }

    /// For strategies: whether this store takes a commit. `location` is that of the
    /// store.
    ///
    /// # Errors
    /// `Locked` unless it is the authority; the hint names the successor, if there is one.
    pub fn check_commit(&self, operation: &'static str, location: &str) -> Result<()> {
        if self.takes_writes() {
            return Ok(());
        }
        Err(not_authority(operation, location, self.role, self.route.as_ref()))
    }

    /// For strategies: whether this store takes records with their versions, or changes
    /// of its history, from a handle that [works for](crate::strategy::OpenOptions::works_for)
    /// a live migration or for none.
    ///
    /// # Errors
    /// `Locked` for a handle of a live migration that the store takes no part in (any
    /// more); and as [`check_commit`](Self::check_commit) for one of none.
    pub fn check_apply(
        &self,
        operation: &'static str,
        location: &str,
        works_for: Option<LiveId>,
    ) -> Result<()> {
        match works_for {
            None => self.check_commit(operation, location),
            Some(live) if self.live == Some(live) => Ok(()),
            Some(live) => Err(ended(operation, location, live)),
        }
    }

    /// For strategies: whether this store takes these items of the engine's own, from a handle
    /// that [works for](crate::strategy::OpenOptions::works_for) a live migration or for none. A
    /// store that is fenced for a moment still takes how far its consumers are: they come to
    /// its end meanwhile, and so see nothing twice in the store that takes over.
    ///
    /// A live migration writes them only to the store that is not the authority: an operator
    /// who was stopped for a while must not write over what has taken over meanwhile.
    ///
    /// # Errors
    /// As [`check_apply`](Self::check_apply); `Locked` for a live migration in an authority.
    pub fn check_items(
        &self,
        writes: &[SystemWrite],
        operation: &'static str,
        location: &str,
        works_for: Option<LiveId>,
    ) -> Result<()> {
        let is_checkpoint = self.role == StoreRole::Fenced
            && works_for.is_none()
            && SystemWrite::are_checkpoint(writes);
        if is_checkpoint || !SystemWrite::need_authority(writes) {
            return Ok(());
        }
        self.check_apply(operation, location, works_for)?;
        match works_for {
            Some(live) if matches!(self.role, StoreRole::Authority | StoreRole::Fenced) => {
                Err(taken_over(operation, location, live))
            }
            _ => Ok(()),
        }
    }

    /// For strategies: whether the store may be changed in a way that its live migration
    /// would not carry over: collections, indexes, layouts, histories, purges.
    ///
    /// # Errors
    /// `Locked` while the store takes part in a live migration that the handle does not
    /// work for, and unless it is the authority.
    pub fn check_rebuild(
        &self,
        operation: &'static str,
        location: &str,
        works_for: Option<LiveId>,
    ) -> Result<()> {
        self.check_apply(operation, location, works_for)?;
        match works_for {
            None => self.check_idle(operation, location),
            Some(_) => Ok(()),
        }
    }

    /// For strategies: whether a handle that works for a live migration may begin to empty
    /// the store: it has moved, and the live migration is at its end.
    ///
    /// # Errors
    /// `Locked` otherwise.
    pub fn check_clean_up(
        &self,
        operation: &'static str,
        location: &str,
        works_for: Option<LiveId>,
    ) -> Result<()> {
        self.check_apply(operation, location, works_for)?;
        match self.role {
            StoreRole::Retired => Ok(()),
            _ => self.check_idle(operation, location),
        }
    }

    /// For strategies: the check `role` of a store that takes no writes, which warns of it and
    /// names the successor. It is ok, since the store is as its live migration left it. `None`
    /// for an authority.
    #[must_use]
    pub fn health_check(&self) -> Option<HealthCheck> {
        let why = match self.role {
            StoreRole::Authority => return None,
            StoreRole::Fenced => "the store is being moved, and takes no writes for a moment",
            StoreRole::Retired => "the store has moved, and takes no writes any more",
            StoreRole::Replica => "only the live migration writes to this copy",
        };
        let role = self.role.as_str();
        let detail = match &self.route {
            Some(route) => format!("warning: {role}: {why}; its successor is {}", route.successor),
            None => format!("warning: {role}: {why}"),
        };
        Some(HealthCheck::new("role", true, detail))
    }

    /// Whether the store takes part in no live migration.
    ///
    /// # Errors
    /// `Locked` otherwise.
    pub fn check_idle(&self, operation: &'static str, location: &str) -> Result<()> {
        match self.live {
            Some(live) => Err(taking_part(operation, location, live)),
            None => Ok(()),
        }
    }
}
