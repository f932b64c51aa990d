//! Holds: what forbids to delete something.

use repo_core::{EntityId, Error, ErrorKind, Result, Version};

use crate::model::{Datapoint, Dataset, Entry, Hold, Owner};
use crate::records::{Kept, Tx, Versioned, expect, transact};
use crate::refusal::Refusal;
use crate::service::DataService;

/// Most holds on one record.
const MOST: usize = 50;

/// What can be held.
pub(crate) trait Held: Kept {
    fn holds(&mut self) -> &mut Vec<Hold>;
}

macro_rules! held {
    ($($kind:ty),*) => {
        $(impl Held for $kind {
            fn holds(&mut self) -> &mut Vec<Hold> {
                &mut self.holds
            }
        })*
    };
}
held!(Entry, Dataset, Datapoint);

/// Refuses to delete what is held.
pub(crate) fn check_not_held(holds: &[Hold], id: &EntityId) -> Result<()> {
    match holds.first() {
        None => Ok(()),
        Some(hold) => Err(Refusal::Held
            .error("delete", "a hold forbids to delete it")
            .with("id", id)
            .with("hold", &hold.id)
            .with("reason", &hold.reason)),
    }
}

/// A hold to be placed.
#[derive(Debug, Clone)]
pub struct NewHold {
    /// By which it is released. Placed again under the same id, it is replaced.
    pub id: EntityId,
    /// Why: 1 to 1,000 bytes.
    pub reason: String,
    /// Who places it.
    pub by: Owner,
}

impl DataService {
    /// Places a hold on an entry, also on one that is deleted and not yet gone.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for another version; `LimitExceeded` above 50 holds.
    pub async fn hold_entry(
        &self,
        id: &EntityId,
        hold: &NewHold,
        expected: Option<Version>,
    ) -> Result<Versioned<Entry>> {
        self.place(id, hold, expected).await
    }

    /// Releases a hold on an entry; one that is not there is released already.
    ///
    /// # Errors
    /// As [`hold_entry`](Self::hold_entry).
    pub async fn release_entry(&self, id: &EntityId, hold: &EntityId) -> Result<Versioned<Entry>> {
        self.release(id, hold).await
    }

    /// Places a hold on a dataset, and so on all that is in it.
    ///
    /// # Errors
    /// As [`hold_entry`](Self::hold_entry).
    pub async fn hold_dataset(
        &self,
        id: &EntityId,
        hold: &NewHold,
        expected: Option<Version>,
    ) -> Result<Versioned<Dataset>> {
        self.place(id, hold, expected).await
    }

    /// Releases a hold on a dataset.
    ///
    /// # Errors
    /// As [`hold_entry`](Self::hold_entry).
    pub async fn release_dataset(
        &self,
        id: &EntityId,
        hold: &EntityId,
    ) -> Result<Versioned<Dataset>> {
        self.release(id, hold).await
    }

    /// Places a hold on a datapoint.
    ///
    /// # Errors
    /// As [`hold_entry`](Self::hold_entry).
    pub async fn hold_datapoint(
        &self,
        id: &EntityId,
        hold: &NewHold,
        expected: Option<Version>,
    ) -> Result<Versioned<Datapoint>> {
        self.place(id, hold, expected).await
    }

    /// Releases a hold on a datapoint.
    ///
    /// # Errors
    /// As [`hold_entry`](Self::hold_entry).
    pub async fn release_datapoint(
        &self,
        id: &EntityId,
        hold: &EntityId,
    ) -> Result<Versioned<Datapoint>> {
        self.release(id, hold).await
    }

    async fn place<R: Held>(
        &self,
        id: &EntityId,
        hold: &NewHold,
        expected: Option<Version>,
    ) -> Result<Versioned<R>> {
        if hold.reason.is_empty() || hold.reason.len() > 1_000 {
            let why = "the reason of a hold is 1 to 1000 bytes";
            return Err(Error::new(ErrorKind::Invalid, "hold", why));
        }
        let (found, committed) = transact!(self, |tx| self.place_in(&mut tx, id, hold, expected))?;
        committed.versioned(found)
    }

    async fn place_in<R: Held>(
        &self,
        tx: &mut Tx,
        id: &EntityId,
        hold: &NewHold,
        expected: Option<Version>,
    ) -> Result<Versioned<R>> {
        let mut found = tx.get::<R>(id.as_str()).await?;
        expect(&found, expected)?;
        let holds = found.value.holds();
        holds.retain(|other| other.id != hold.id);
        if holds.len() >= MOST {
            let why = "there are too many holds";
            return Err(Error::new(ErrorKind::LimitExceeded, "hold", why).with("most", MOST));
        }
        holds.push(Hold {
            id: hold.id.clone(),
            reason: hold.reason.clone(),
            by: hold.by.clone(),
            at: self.now(),
        });
        tx.put(&found.value)?;
        Ok(found)
    }

    async fn release<R: Held>(&self, id: &EntityId, hold: &EntityId) -> Result<Versioned<R>> {
        let (found, committed) = transact!(self, |tx| release_in::<R>(&mut tx, id, hold))?;
        committed.versioned(found)
    }
}

async fn release_in<R: Held>(tx: &mut Tx, id: &EntityId, hold: &EntityId) -> Result<Versioned<R>> {
    let mut found = tx.get::<R>(id.as_str()).await?;
    let holds = found.value.holds();
    let before = holds.len();
    holds.retain(|other| other.id != *hold);
    if holds.len() != before {
        tx.put(&found.value)?;
    }
    Ok(found)
}
