//! Pending → active.

use repo_core::{EntityId, Result, Version};

use crate::blobs::activate;
use crate::hooks::Step;
use crate::model::{BlobRef, Content, Entry, EntryStatus};
use crate::records::{Tx, Versioned, expect, transact};
use crate::refusal::Refusal;
use crate::service::DataService;
use crate::usage::{Place, Tally, added};

impl DataService {
    /// Makes what was uploaded the content of a pending entry. An entry that is active stays so.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for another version; the refusals `NotUploaded` when the bytes are
    /// not there, or not all of them, `Expired` when the sweeper was quicker, and `Deleted`;
    /// `LimitExceeded` beyond a quota, and the entry goes on waiting.
    pub async fn activate_entry(
        &self,
        id: &EntityId,
        expected: Option<Version>,
    ) -> Result<Versioned<Entry>> {
        let found = self.read::<Entry>(id).await?;
        match found.value.status {
            EntryStatus::Active => return Ok(found),
            EntryStatus::Deleted => return Err(deleted(id)),
            EntryStatus::Pending => expect(&found, expected)?,
        }
        let staged = match self.finish_empty(&found.value).await? {
            Some(_) => self.read::<Entry>(id).await?.value.content.blob().copied(),
            None => found.value.content.blob().copied(),
        };
        let Some(staged) = staged else {
            return Err(Refusal::NotUploaded
                .error("activate", "the bytes of the entry have not arrived")
                .with("id", id));
        };
        self.check_bytes(&staged).await?;
        let (found, committed) = transact!(self, |tx| self.activate_in(&mut tx, id, &staged))?;
        self.step(Step::Activated)?;
        committed.versioned(found)
    }

    async fn activate_in(
        &self,
        tx: &mut Tx,
        id: &EntityId,
        staged: &BlobRef,
    ) -> Result<Versioned<Entry>> {
        let mut found = tx.get::<Entry>(id.as_str()).await?;
        let entry = &mut found.value;
        match entry.status {
            EntryStatus::Active => return Ok(found),
            EntryStatus::Deleted => return Err(deleted(id)),
            EntryStatus::Pending => {}
        }
        if entry.content.blob() != Some(staged) {
            let why = "another upload of the entry became complete meanwhile";
            return Err(Refusal::WrongState.error("activate", why).with("id", id));
        }
        let store = activate(tx, staged).await?;
        entry.content = Content::Stored(*staged);
        entry.size = staged.size;
        entry.status = EntryStatus::Active;
        entry.modified_at = self.now();
        (entry.due, entry.upload) = (None, None);
        let mut tally = Tally::default();
        let place =
            Place { owner: &entry.owner, dataset: entry.dataset.as_ref(), store: Some(&store) };
        tally.add(place, added(staged.size, 1, 0));
        self.count_within_quota(tx, tally).await?;
        tx.put(&found.value)?;
        Ok(found)
    }
}

fn deleted(id: &EntityId) -> repo_core::Error {
    Refusal::Deleted.error("activate", "the entry is deleted").with("id", id)
}
