//! Looking after writes that took long.
//!
//! A change of indexes, and the beginning of a capture, wait for a lease and a little
//! more, so that no handle writes by the old state of the store (see `prepare` and
//! `feed`). A write that was under way longer than that, because DynamoDB throttled it
//! or the network was slow, may have come too late to be looked at. Its writer knows
//! how long it took. It reads the store's record again before it acknowledges the
//! write, captures it if that has begun, and gives the item what a new index lacks.

use std::time::{Duration, Instant};

use repo_core::strategy::Record;
use repo_core::{EntityId, Error, ErrorKind, Key, Result};

use crate::cache::{Catalog, LEASE, Table};
use crate::feed::Mark;
use crate::item::{generation, record_of};
use crate::shared::Shared;

/// Added to the lease for requests that are under way when it ends.
pub(crate) const MARGIN: Duration = Duration::from_millis(500);

fn is_late(read_at: Instant) -> bool {
    read_at.elapsed() >= LEASE + MARGIN
}

impl Shared {
    /// To be called after each write by `table`, which was taken before it, and before
    /// the write is acknowledged. The write itself is done whatever happens here.
    ///
    /// # Errors
    /// `OutcomeUnknown` when it cannot be known that the feed has the write.
    pub(crate) async fn settle(&self, table: &Table, key: &Key, mark: Mark) -> Result<()> {
        if !is_late(table.read_at) {
            return Ok(());
        }
        // Rare, and too deep a future to be part of each caller's.
        Box::pin(self.settle_late(table, key, mark)).await
    }

    async fn settle_late(&self, table: &Table, key: &Key, mark: Mark) -> Result<()> {
        let (mut read_at, mut known) = (table.read_at, table.capture);
        // Again if the look itself took long.
        while is_late(read_at) {
            let now = self.reload("commit", Instant::now()).await;
            let now = now.map_err(|source| unsettled(key, source))?;
            if let Some(generation) = now.capture.filter(|now| known != Some(*now)) {
                let late = self.capture_late(generation, table, key, mark).await;
                late.map_err(|source| unsettled(key, source))?;
                known = Some(generation);
            }
            if read_at == table.read_at {
                self.index_late(&now, table, key).await;
            }
            read_at = now.read_at;
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

/// The error for a write that was done, and of which the feed may know nothing.
fn unsettled(key: &Key, source: Error) -> Error {
    let why = "the record was written, but whether the change feed has the change is not known";
    Error::new(ErrorKind::OutcomeUnknown, "commit", why)
        .with("key", key)
        .hint("read the record before writing again, and write it again to have it in the feed")
        .caused_by(source)
}
