//! Deleting and restoring datasets with all that is in them, in bounded commits.
//!
//! The state of the dataset says what is under way: from `deleting` on nothing comes in, and
//! whoever finds it so goes on, be it the caller who tries again or the sweeper. So a dataset of
//! a million entries is deleted once, whatever is killed meanwhile.

use repo_core::{Condition, EntityId, Query, Result, Timestamp, Version, field};

use crate::entries::{Deletion, delete_in, restore_in};
use crate::holds::check_not_held;
use crate::hooks::Step;
use crate::model::{Dataset, DatasetState, Entry, EntryStatus};
use crate::records::{Tx, Versioned, expect, transact};
use crate::refusal::Refusal;
use crate::service::DataService;
use crate::usage::Tally;

/// Entries that change in one commit. With two blobs and two uploads of each that is pending, and
/// the counters of the owners and stores of the others, they are below 50 keys, the least that a
/// store takes.
const BATCH: usize = 6;

impl DataService {
    /// Deletes a dataset with its entries: all of it can be restored for the time of the
    /// retention. Repeated it goes on where it was.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for another version; the refusal `Held`, also for an entry that is
    /// held, which stays with what was not deleted before it was met.
    pub async fn delete_dataset(&self, id: &EntityId, expected: Option<Version>) -> Result<()> {
        let held = field("dataset").eq(id).and(field("holds").exists());
        let query = Query::new(held.filter()?).limit(1)?.strong();
        let state = self.read::<Dataset>(id).await?.value.state;
        if state == DatasetState::Active
            && let Some(entry) = self.page::<Entry>(&query).await?.items.first()
        {
            check_not_held(&entry.value.holds, &entry.value.id)?;
        }
        let (state, _) = transact!(self, |tx| self.mark_deleting(&mut tx, id, expected))?;
        if state == DatasetState::Deleting {
            self.step(Step::Condemned)?;
            self.resume_deleting(id).await?;
        }
        Ok(())
    }

    async fn mark_deleting(
        &self,
        tx: &mut Tx,
        id: &EntityId,
        expected: Option<Version>,
    ) -> Result<DatasetState> {
        let mut found = tx.get::<Dataset>(id.as_str()).await?;
        let dataset = &mut found.value;
        if matches!(dataset.state, DatasetState::Deleting | DatasetState::Deleted) {
            return Ok(dataset.state);
        }
        expect(&Versioned { value: dataset.clone(), version: found.version }, expected)?;
        check_not_held(&dataset.holds, id)?;
        let deletion = self.deletion(None);
        dataset.state = DatasetState::Deleting;
        dataset.deleted_at = Some(deletion.now);
        dataset.modified_at = deletion.now;
        dataset.due = Some(deletion.until);
        tx.put(dataset)?;
        Ok(DatasetState::Deleting)
    }

    /// Deletes what is left of a dataset that is being deleted.
    pub(crate) async fn resume_deleting(&self, id: &EntityId) -> Result<()> {
        loop {
            let ids = self.ids_to_delete(id).await?;
            if ids.is_empty() {
                return transact!(self, |tx| end(
                    &mut tx,
                    id,
                    DatasetState::Deleting,
                    DatasetState::Deleted
                ))
                .map(|_| ());
            }
            // Somebody else may have come to the end, and have restored it since.
            if !transact!(self, |tx| self.delete_batch(&mut tx, id, &ids))?.0 {
                return Ok(());
            }
            self.step(Step::BatchDone)?;
        }
    }

    /// Some of the entries that are left: from an index first, which may be behind, and by a
    /// strong read when that has no more.
    async fn ids_to_delete(&self, id: &EntityId) -> Result<Vec<EntityId>> {
        let present = || field("dataset").eq(id).and(field("status").ne(EntryStatus::Deleted));
        self.ids(present).await
    }

    async fn ids(&self, which: impl Fn() -> Condition) -> Result<Vec<EntityId>> {
        let query = Query::new(which().filter()?).limit(BATCH)?;
        let mut page = self.page::<Entry>(&query).await?;
        if page.items.is_empty() {
            page = self.page::<Entry>(&query.strong()).await?;
        }
        Ok(page.items.into_iter().map(|entry| entry.value.id).collect())
    }

    /// `false` if the dataset is not being deleted any more.
    async fn delete_batch(&self, tx: &mut Tx, id: &EntityId, ids: &[EntityId]) -> Result<bool> {
        let dataset = tx.get::<Dataset>(id.as_str()).await?.value;
        if dataset.state != DatasetState::Deleting {
            return Ok(false);
        }
        let now = self.now();
        let deletion = Deletion { now, until: dataset.due.unwrap_or(now), with: Some(id.clone()) };
        read_ahead(tx, ids).await?;
        let mut tally = Tally::default();
        for entry_id in ids {
            let Some(found) = tx.find::<Entry>(entry_id.as_str()).await? else { continue };
            let entry = found.value;
            let ours = entry.dataset.as_ref() == Some(id) && entry.status != EntryStatus::Deleted;
            if ours {
                check_not_held(&entry.holds, entry_id)?;
                delete_in(tx, entry, &deletion, &mut tally).await?;
            }
        }
        tally.write(tx, self.turn()).await?;
        Ok(true)
    }

    /// Restores a deleted dataset with the entries that were deleted with it. Repeated it goes
    /// on where it was.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for another version; the refusals `WrongState` while it is still
    /// being deleted, and `TooLate`.
    pub async fn restore_dataset(
        &self,
        id: &EntityId,
        expected: Option<Version>,
    ) -> Result<Versioned<Dataset>> {
        let (state, _) = transact!(self, |tx| self.mark_restoring(&mut tx, id, expected))?;
        if state == DatasetState::Restoring {
            self.resume_restoring(id).await?;
        }
        self.read(id).await
    }

    async fn mark_restoring(
        &self,
        tx: &mut Tx,
        id: &EntityId,
        expected: Option<Version>,
    ) -> Result<DatasetState> {
        let mut found = tx.get::<Dataset>(id.as_str()).await?;
        match found.value.state {
            state @ (DatasetState::Active | DatasetState::Restoring) => return Ok(state),
            DatasetState::Deleting => {
                let why = "the dataset is still being deleted";
                return Err(Refusal::WrongState.error("restore", why).with("id", id));
            }
            DatasetState::Deleted => expect(&found, expected)?,
        }
        let now: Timestamp = self.now();
        if found.value.due.is_none_or(|due| due <= now) {
            let why = "the time in which the dataset could be restored is over";
            return Err(Refusal::TooLate.error("restore", why).with("id", id));
        }
        found.value.state = DatasetState::Restoring;
        found.value.modified_at = now;
        tx.put(&found.value)?;
        Ok(DatasetState::Restoring)
    }

    /// Restores what is left of a dataset that is being restored.
    pub(crate) async fn resume_restoring(&self, id: &EntityId) -> Result<()> {
        loop {
            let deleted = || {
                let with_it = field("deleted_with").eq(id);
                field("dataset").eq(id).and(with_it)
            };
            let ids = self.ids(deleted).await?;
            if ids.is_empty() {
                return transact!(self, |tx| end(
                    &mut tx,
                    id,
                    DatasetState::Restoring,
                    DatasetState::Active
                ))
                .map(|_| ());
            }
            if !transact!(self, |tx| self.restore_batch(&mut tx, id, &ids))?.0 {
                return Ok(());
            }
            self.step(Step::BatchDone)?;
        }
    }

    /// `false` if the dataset is not being restored any more.
    async fn restore_batch(&self, tx: &mut Tx, id: &EntityId, ids: &[EntityId]) -> Result<bool> {
        if tx.get::<Dataset>(id.as_str()).await?.value.state != DatasetState::Restoring {
            return Ok(false);
        }
        read_ahead(tx, ids).await?;
        let mut tally = Tally::default();
        for entry_id in ids {
            let Some(found) = tx.find::<Entry>(entry_id.as_str()).await? else { continue };
            if found.value.deleted_with.as_ref() == Some(id) {
                restore_in(tx, found.value, self.now(), &mut tally).await?;
            }
        }
        tally.write(tx, self.turn()).await?;
        Ok(true)
    }

    /// Removes a deleted dataset whose time is over and whose entries are gone. Whether it did.
    pub(crate) async fn purge_dataset(&self, id: &EntityId) -> Result<bool> {
        let query = Query::new(field("dataset").eq(id).filter()?).limit(1)?.strong();
        if !self.page::<Entry>(&query).await?.items.is_empty() {
            return Ok(false);
        }
        Ok(transact!(self, |tx| self.purge_dataset_in(&mut tx, id))?.0)
    }

    async fn purge_dataset_in(&self, tx: &mut Tx, id: &EntityId) -> Result<bool> {
        let Some(found) = tx.find::<Dataset>(id.as_str()).await? else { return Ok(false) };
        let over = found.value.due.is_some_and(|due| due <= self.now());
        let gone =
            found.value.state == DatasetState::Deleted && over && found.value.holds.is_empty();
        if gone {
            tx.delete::<Dataset>(id.as_str())?;
        }
        Ok(gone)
    }
}

async fn read_ahead(tx: &mut Tx, ids: &[EntityId]) -> Result<()> {
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    tx.read_ahead::<Entry>(&names).await
}

/// Ends what was under way.
async fn end(tx: &mut Tx, id: &EntityId, from: DatasetState, to: DatasetState) -> Result<()> {
    let Some(found) = tx.find::<Dataset>(id.as_str()).await? else { return Ok(()) };
    let mut dataset = found.value;
    if dataset.state == from {
        dataset.state = to;
        if to == DatasetState::Active {
            (dataset.deleted_at, dataset.due) = (None, None);
        }
        tx.put(&dataset)?;
    }
    Ok(())
}
