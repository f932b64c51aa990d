//! Looking after writes that took long.
//!
//! A change of indexes, and the beginning of a capture or of a history, wait for a lease
//! and a little more, so that no handle writes by the old state of the store (see
//! `prepare`, `feed` and `history`). A write that was under way longer than that, because DynamoDB throttled it
//! or the network was slow, may have come too late to be looked at. Its writer knows
//! how long it took. It reads the store's record again before it acknowledges the
//! write, captures it and keeps what it replaced if that has begun, and gives the item what a new index lacks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use repo_core::strategy::{Record, RoleState};
use repo_core::{EntityId, Error, ErrorKind, Key, Result};

use crate::cache::{Catalog, LEASE, Table, lease};
use crate::history::Done;
use crate::item::{generation, record_of};
use crate::shared::Shared;

/// Added to the lease for requests that are under way when it ends.
pub(crate) const MARGIN: Duration = Duration::from_millis(500);

/// What the clocks of two machines may differ by in a lease, since they differ in their pace.
const DRIFT: Duration = Duration::from_millis(100);

/// How long it takes until nobody acknowledges a write by a record of the store from
/// before a change, without a look at the record as it is.
pub(crate) const SWITCH: Duration = LEASE.saturating_add(MARGIN).saturating_add(DRIFT);

/// The same for a step between two roles.
pub(crate) fn switch(from: &RoleState, to: &RoleState) -> Duration {
    // Every handle knows of a live migration that does not begin or end.
    if from.live == to.live { lease(from) + MARGIN + DRIFT } else { SWITCH }
}

/// Whether a record that says this of the role, read then, may be older than its lease and
/// what comes on top of it.
pub(crate) fn is_late(role: &RoleState, read_at: Instant) -> bool {
    read_at.elapsed() >= lease(role) + MARGIN
}

impl Shared {
    /// To be called after each write by `table`, which was taken before it, and before
    /// the write is acknowledged. The write itself is done whatever happens here.
    ///
    /// # Errors
    /// `OutcomeUnknown` when it cannot be known that the feed and the history have the
    /// write.
    pub(crate) async fn settle(&self, table: &Table, key: &Key, done: Done<'_>) -> Result<()> {
        if !is_late(&table.role, table.read_at) {
            return Ok(());
        }
        // Rare, and too deep a future to be part of each caller's.
        Box::pin(self.settle_late(table, key, done)).await
    }

    async fn settle_late(&self, table: &Table, key: &Key, done: Done<'_>) -> Result<()> {
        let (mut role, mut read_at) = (Arc::clone(&table.role), table.read_at);
        let mut known = table.capture;
        let mut history = table.history.map(|history| history.number);
        // Again if the look itself took long.
        while is_late(&role, read_at) {
            let now = self.reload("commit", Instant::now()).await;
            let now = now.map_err(|source| unsettled(key, source))?;
            let began = now.tables.get(&key.collection).and_then(|table| table.history);
            let began = began.filter(|began| history != Some(began.number));
            let captures = now.capture.filter(|now| known != Some(*now));
            // Both, whatever becomes of one of them.
            let kept = match began {
                Some(began) => self.keep_late(began, key, done).await,
                None => Ok(()),
            };
            let captured = match captures {
                Some(generation) => self.capture_late(generation, table, key, done.mark).await,
                None => Ok(()),
            };
            kept.and(captured).map_err(|source| unsettled(key, source))?;
            self.check_still(table, key, &now)?;
            history = began.map_or(history, |began| Some(began.number));
            known = captures.or(known);
            if read_at == table.read_at {
                self.index_late(&now, table, key).await;
            }
            (role, read_at) = (Arc::clone(&now.role), now.read_at);
        }
        Ok(())
    }

    async fn index_late(&self, now: &Catalog, table: &Table, key: &Key) {
        // The indexes of what is being loaded do not change.
        let Some(now) = now.tables.get(&key.collection) else { return };
        if now.layout.generation <= table.layout.generation {
            return;
        }
        if let Err(error) = self.look_after(now, &key.id).await {
            tracing::warn!(%key, %error, "an item may be missing from a new index");
        }
    }

    async fn look_after(&self, now: &Table, id: &EntityId) -> Result<()> {
        let Some(item) = self.fetch_one("commit", now, id).await? else { return Ok(()) };
        if generation(&item) >= now.layout.generation {
            return Ok(());
        }
        match record_of(&now.layout, &item)? {
            Some(Record::Live(entity)) => self.fill_one(&now.layout, entity).await,
            _ => Ok(()),
        }
    }
}

/// The error for a write that was done, and of which the feed or the history may know
/// nothing.
fn unsettled(key: &Key, source: Error) -> Error {
    let why = "the record was written, but whether the change feed and the history have the \
               change is not known";
    Error::new(ErrorKind::OutcomeUnknown, "commit", why)
        .with("key", key)
        .hint("read the record before writing again, and write it again to have it in the feed")
        .caused_by(source)
}

#[cfg(test)]
mod tests {
    use repo_core::strategy::{LiveId, StoreRole};

    use super::*;

    fn role(live: Option<u8>, role: StoreRole) -> RoleState {
        let mut state = RoleState::default();
        state.live = live.map(|byte| LiveId::from_bytes([byte; 16]));
        state.role = role;
        state
    }

    /// A step waits for every handle that may write by what was there before it. Within a live
    /// migration, of which all of them know, that is much shorter.
    #[test]
    fn a_step_outlasts_what_handles_trust() {
        let idle = role(None, StoreRole::Authority);
        let moving = role(Some(1), StoreRole::Authority);
        let fenced = role(Some(1), StoreRole::Fenced);
        for (from, to) in [(&idle, &moving), (&moving, &idle), (&moving, &fenced)] {
            assert!(switch(from, to) > lease(from) + MARGIN, "{from:?} {to:?}");
        }
        assert_eq!(switch(&idle, &moving), SWITCH);
        assert!(switch(&moving, &fenced) * 2 < SWITCH);
    }
}
