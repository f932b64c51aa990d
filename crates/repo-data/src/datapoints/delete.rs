//! Deleting and restoring datapoints.

use repo_core::{EntityId, Result, Version};

use crate::blobs::{condemn, delete_for_good, restore};
use crate::holds::check_not_held;
use crate::hooks::Step;
use crate::model::{Datapoint, DatapointStatus};
use crate::records::{Tx, Versioned, expect, transact};
use crate::service::DataService;
use crate::usage::{Place, Tally, condemned, removed, restored};

impl DataService {
    /// Deletes a datapoint: it can be restored for the time of the retention. One that is
    /// deleted stays so.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for another version; the refusal `Held`.
    pub async fn delete_datapoint(&self, id: &EntityId, expected: Option<Version>) -> Result<()> {
        transact!(self, |tx| self.delete_datapoint_in(&mut tx, id, expected)).map(|_| ())?;
        self.step(Step::Condemned)
    }

    async fn delete_datapoint_in(
        &self,
        tx: &mut Tx,
        id: &EntityId,
        expected: Option<Version>,
    ) -> Result<()> {
        let found = tx.get::<Datapoint>(id.as_str()).await?;
        if found.value.status == DatapointStatus::Deleted {
            return Ok(());
        }
        expect(&found, expected)?;
        check_not_held(&found.value.holds, id)?;
        let mut datapoint = found.value;
        let now = self.now();
        let until = now.saturating_add(self.options().retention);
        let store = match datapoint.blob() {
            Some(blob) => condemn(tx, &blob.key, until).await?,
            None => None,
        };
        let place = Place { owner: &datapoint.owner, dataset: None, store: store.as_ref() };
        let mut tally = Tally::default();
        tally.add(place, condemned(datapoint.size, 0, 1));
        tally.write(tx, self.turn()).await?;
        datapoint.status = DatapointStatus::Deleted;
        (datapoint.deleted_at, datapoint.due) = (Some(now), Some(until));
        tx.put(&datapoint)
    }

    /// Restores a deleted datapoint, if its time is not over.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for another version; the refusal `TooLate`.
    pub async fn restore_datapoint(
        &self,
        id: &EntityId,
        expected: Option<Version>,
    ) -> Result<Versioned<Datapoint>> {
        let (found, committed) =
            transact!(self, |tx| self.restore_datapoint_in(&mut tx, id, expected))?;
        committed.versioned(found)
    }

    async fn restore_datapoint_in(
        &self,
        tx: &mut Tx,
        id: &EntityId,
        expected: Option<Version>,
    ) -> Result<Versioned<Datapoint>> {
        let mut found = tx.get::<Datapoint>(id.as_str()).await?;
        if found.value.status == DatapointStatus::Active {
            return Ok(found);
        }
        expect(&found, expected)?;
        let datapoint = &mut found.value;
        let store = match datapoint.blob() {
            Some(blob) => Some(restore(tx, &blob.key).await?),
            None => None,
        };
        let place = Place { owner: &datapoint.owner, dataset: None, store: store.as_ref() };
        let mut tally = Tally::default();
        tally.add(place, restored(datapoint.size, 0, 1));
        tally.write(tx, self.turn()).await?;
        datapoint.status = DatapointStatus::Active;
        (datapoint.deleted_at, datapoint.due) = (None, None);
        tx.put(datapoint)?;
        Ok(found)
    }

    /// Removes a deleted datapoint whose time is over, with its blob. Whether it did; not while
    /// there is a hold.
    pub(crate) async fn purge_datapoint(&self, id: &EntityId) -> Result<bool> {
        let gone = transact!(self, |tx| self.purge_datapoint_in(&mut tx, id))?.0;
        if gone {
            self.step(Step::MarkedDeleting)?;
        }
        Ok(gone)
    }

    async fn purge_datapoint_in(&self, tx: &mut Tx, id: &EntityId) -> Result<bool> {
        let Some(found) = tx.find::<Datapoint>(id.as_str()).await? else { return Ok(false) };
        let datapoint = found.value;
        let over = datapoint.due.is_some_and(|due| due <= self.now());
        if datapoint.status != DatapointStatus::Deleted || !over || !datapoint.holds.is_empty() {
            return Ok(false);
        }
        let store = match datapoint.blob() {
            Some(blob) => delete_for_good(tx, &blob.key, self.now()).await?,
            None => None,
        };
        let place = Place { owner: &datapoint.owner, dataset: None, store: store.as_ref() };
        let mut tally = Tally::default();
        tally.add(place, removed(datapoint.size));
        tally.write(tx, self.turn()).await?;
        tx.delete::<Datapoint>(id.as_str())?;
        Ok(true)
    }
}
