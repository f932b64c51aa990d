//! Looking after writes that took long.
//!
//! A change of indexes waits for a lease and a little more, so that no handle
//! writes by the old indexes when it looks at the items (see `prepare`). A
//! write that was under way longer than that, because DynamoDB throttled it or
//! the network was slow, may have come too late to be looked at. Its writer
//! knows how long it took, and gives the item what it lacks.

use std::time::Duration;

use repo_core::strategy::Record;
use repo_core::{EntityId, Result};

use crate::cache::{LEASE, Table};
use crate::item::{generation, record_of};
use crate::shared::Shared;

/// Added to the lease for requests that are under way when it ends.
pub(crate) const MARGIN: Duration = Duration::from_millis(500);

impl Shared {
    /// To be called after each write by `table`, which was taken before it.
    /// The write itself is done whatever happens here.
    pub(crate) async fn settle(&self, table: &Table, id: &EntityId) {
        if table.read_at.elapsed() < LEASE + MARGIN {
            return;
        }
        let collection = &table.layout.schema.collection;
        if self.loaded_table(collection).await.is_some() {
            // Its indexes do not change.
            return;
        }
        if let Err(error) = self.look_after(table, id).await {
            tracing::warn!(%collection, %id, %error, "an item may be missing from a new index");
        }
    }

    async fn look_after(&self, table: &Table, id: &EntityId) -> Result<()> {
        let now = self.fresh_table("commit", &table.layout.schema.collection).await?;
        if now.layout.generation <= table.layout.generation {
            return Ok(());
        }
        let Some(item) = self.fetch_one("commit", &now, id).await? else { return Ok(()) };
        if generation(&item) >= now.layout.generation {
            return Ok(());
        }
        match record_of(&now.layout, &item)? {
            Some(Record::Live(entity)) => self.fill_one(&now.layout, entity).await,
            _ => Ok(()),
        }
    }
}
