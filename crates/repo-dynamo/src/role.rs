//! Whether the store takes what is to be written.
//!
//! Nothing can be locked here. A handle writes by the record of the store that it read at
//! most a lease ago, and a step that fences the store off waits longer than that before it
//! answers (see `settle`). What arrives later was acknowledged to nobody: its writer
//! looks at the record again, and says `OutcomeUnknown`.

use std::sync::Arc;
use std::time::Instant;

use repo_core::strategy::{RoleChange, RoleState, StoreRecord, SystemWrite};
use repo_core::{CollectionName, Error, ErrorKind, Key, Result};

use crate::cache::{Catalog, Table};
use crate::definition::Definition;
use crate::settle::{is_late, switch};
use crate::shared::Shared;

const CHANGE: &str = "change the role of the store";

impl Shared {
    /// Takes a step, and waits until no handle acknowledges anything by the role from
    /// before it.
    pub(crate) async fn change_role(&self, change: &RoleChange) -> Result<StoreRecord> {
        self.check_writable(CHANGE)?;
        let step = |definition: &mut Definition| {
            self.check_feed_layout(CHANGE, definition)?;
            change.check(&definition.role, definition.id, definition.job.as_ref())?;
            if change.expected.live.is_none() && !definition.loads.is_empty() {
                let why = "a collection of the store is being loaded";
                return Err(Error::new(ErrorKind::Locked, CHANGE, why)
                    .with("store", &self.location)
                    .hint("wait for the load to end, or prepare the collection"));
            }
            definition.role.clone_from(&change.next);
            Ok(())
        };
        let definition = self.change_definition(CHANGE, step).await?;
        // Also after a step to the same state: whoever took it may have been killed while
        // it waited.
        let (from, to) = (&change.expected, &change.next);
        let fences = !to.takes_writes() && (from.takes_writes() || from == to);
        if fences || from.live != to.live {
            tokio::time::sleep(switch(from, to)).await;
        }
        Ok(self.shown(&definition))
    }

    /// The role as it is now.
    pub(crate) async fn role(&self, operation: &'static str) -> Result<Arc<RoleState>> {
        Ok(Arc::clone(&self.reload(operation, Instant::now()).await?.role))
    }

    /// Whether the handle may write what comes with its version, or belongs to a history. A
    /// refusal is by the role as it is now.
    ///
    /// # Errors
    /// As [`RoleState::check_apply`].
    pub(crate) async fn check_apply(&self, operation: &'static str) -> Result<()> {
        let allowed =
            |role: &RoleState| role.check_apply(operation, &self.location, self.options.works_for);
        if self.cache.get().is_some_and(|known| allowed(&known.role).is_ok()) {
            return Ok(());
        }
        allowed(&*self.role(operation).await?)
    }

    /// Whether the handle may write these items of the engine's own, and by which record of the
    /// store; `None` for items that any store takes. A refusal is by the role as it is now.
    ///
    /// # Errors
    /// As [`RoleState::check_items`].
    pub(crate) async fn check_items(
        &self,
        operation: &'static str,
        writes: &[SystemWrite],
    ) -> Result<Option<Arc<Catalog>>> {
        if !SystemWrite::need_authority(writes) {
            return Ok(None);
        }
        let works_for = self.options.works_for;
        let allowed =
            |role: &RoleState| role.check_items(writes, operation, &self.location, works_for);
        // Any other store may have retired, or taken over, since.
        let is_settled = |role: &RoleState| role.takes_writes() && works_for.is_none();
        let known = self.cache.get().filter(|known| is_settled(&known.role));
        if let Some(known) = known.filter(|known| allowed(&known.role).is_ok()) {
            return Ok(Some(known));
        }
        let now = self.reload(operation, Instant::now()).await?;
        allowed(&now.role).map(|()| Some(now))
    }

    /// To be called after items were written by a record of the store, before that is
    /// acknowledged.
    ///
    /// # Errors
    /// `OutcomeUnknown` when the store was moved meanwhile.
    pub(crate) async fn settle_items(
        &self,
        operation: &'static str,
        writes: &[SystemWrite],
        by: Option<Arc<Catalog>>,
    ) -> Result<()> {
        let Some(by) = by else { return Ok(()) };
        let (mut role, mut read_at) = (Arc::clone(&by.role), by.read_at);
        let works_for = self.options.works_for;
        while is_late(&role, read_at) {
            let now = self.reload(operation, Instant::now()).await?;
            let allowed = now.role.check_items(writes, operation, &self.location, works_for);
            if allowed.is_err() || now.role.epoch != by.role.epoch {
                let why = "the items were written so late that the store was moved meanwhile";
                return Err(Error::new(ErrorKind::OutcomeUnknown, operation, why)
                    .with("store", &self.location)
                    .with("role", now.role.role.as_str())
                    .hint("look where the store is now, and do it again if it is missing there"));
            }
            (role, read_at) = (Arc::clone(&now.role), now.read_at);
        }
        Ok(())
    }

    /// The collection that is to be written. A refusal is by the role as it is now.
    ///
    /// # Errors
    /// As [`table`](Self::table) and [`check_role`](Self::check_role).
    pub(crate) async fn table_to_write(
        &self,
        operation: &'static str,
        collection: &CollectionName,
    ) -> Result<Arc<Table>> {
        let table = self.table(operation, collection).await?;
        if self.check_role(operation, &table).is_ok() {
            return Ok(table);
        }
        let table = self.fresh_table(operation, collection).await?;
        self.check_role(operation, &table).map(|()| table)
    }

    /// Whether the store takes a write of a collection, by what is known of it.
    ///
    /// # Errors
    /// As [`RoleState::check_commit`] and [`RoleState::check_apply`].
    pub(crate) fn check_role(&self, operation: &'static str, table: &Table) -> Result<()> {
        match operation {
            "commit" => table.role.check_commit(operation, &self.location),
            _ => table.role.check_apply(operation, &self.location, self.options.works_for),
        }
    }

    /// Whether what was done by `table` may be acknowledged, given the role as it is.
    ///
    /// # Errors
    /// `OutcomeUnknown` when the store was fenced off meanwhile, or the authority has come
    /// back to it since: the write may have arrived past the fence.
    pub(crate) fn check_still(&self, table: &Table, key: &Key, now: &Catalog) -> Result<()> {
        let still = match self.options.works_for {
            None => now.role.takes_writes() && now.role.epoch == table.role.epoch,
            works_for => now.role.live == works_for,
        };
        if still {
            return Ok(());
        }
        let why = "the write took so long that the store was moved meanwhile";
        Err(Error::new(ErrorKind::OutcomeUnknown, "commit", why)
            .with("store", &self.location)
            .with("key", key)
            .with("role", now.role.role.as_str())
            .hint("read the record where the store is now before writing again"))
    }

    /// The same for an answer that says nothing was written.
    ///
    /// # Errors
    /// `Locked` when the store was fenced off meanwhile.
    pub(crate) async fn check_answer(&self, table: &Table) -> Result<()> {
        if !is_late(&table.role, table.read_at) {
            return Ok(());
        }
        let now = self.reload("commit", Instant::now()).await?;
        now.role.check_commit("commit", &self.location)
    }
}
