//! The end of entries, for the sweeper.

use repo_core::{EntityId, Query, Result, field};

use crate::blobs::delete_for_good;
use crate::entries::delete::remove_pending;
use crate::hooks::Step;
use crate::model::{Dataset, DatasetState, Entry, EntryStatus, Revision};
use crate::records::{Tx, transact};
use crate::service::DataService;
use crate::usage::{Place, Tally, added, removed};

/// Revisions that are removed in one commit.
const BATCH: usize = 8;

impl DataService {
    /// Removes an entry whose bytes never came. Whether it did.
    pub(crate) async fn expire_entry(&self, id: &EntityId) -> Result<bool> {
        Ok(transact!(self, |tx| self.expire_entry_in(&mut tx, id))?.0)
    }

    async fn expire_entry_in(&self, tx: &mut Tx, id: &EntityId) -> Result<bool> {
        let now = self.now();
        let Some(found) = tx.find::<Entry>(id.as_str()).await? else { return Ok(false) };
        let entry = found.value;
        let over = entry.due.is_some_and(|due| due <= now);
        if entry.status != EntryStatus::Pending || !over || !entry.holds.is_empty() {
            return Ok(false);
        }
        remove_pending(tx, &entry, now).await?;
        Ok(true)
    }

    /// Removes a deleted entry whose time is over: its revisions first, in batches, then
    /// itself with its blob. Whether it did; not while there is a hold.
    pub(crate) async fn purge_entry(&self, id: &EntityId) -> Result<bool> {
        loop {
            let query = Query::new(field("entry").eq(id).filter()?).limit(BATCH)?;
            let page = self.page::<Revision>(&query).await?;
            if page.items.is_empty() {
                break;
            }
            let ids: Vec<EntityId> =
                page.items.into_iter().map(|revision| revision.value.id).collect();
            if !transact!(self, |tx| self.purge_revisions(&mut tx, id, &ids))?.0 {
                return Ok(false);
            }
        }
        let gone = transact!(self, |tx| self.purge_entry_in(&mut tx, id))?.0;
        if gone {
            self.step(Step::MarkedDeleting)?;
        }
        Ok(gone)
    }

    async fn purge_revisions(
        &self,
        tx: &mut Tx,
        id: &EntityId,
        revisions: &[EntityId],
    ) -> Result<bool> {
        let Some(entry) = self.purgeable(tx, id).await? else { return Ok(false) };
        let current = entry.content.blob().map(|blob| blob.key);
        let names: Vec<String> = revisions.iter().map(ToString::to_string).collect();
        tx.read_ahead::<Revision>(&names).await?;
        let mut tally = Tally::default();
        for revision in revisions {
            let Some(found) = tx.find::<Revision>(revision.as_str()).await? else { continue };
            let content = &found.value.snapshot.content;
            let mut store = None;
            if let Some(blob) = content.blob().filter(|blob| Some(blob.key) != current) {
                store = delete_for_good(tx, &blob.key, self.now()).await?;
            }
            // The current one is counted with its entry.
            let is_current = match &entry.revision {
                Some(current) => current == revision,
                None => found.value.number == 0,
            };
            if !is_current {
                let place = Place {
                    owner: &entry.owner,
                    dataset: entry.dataset.as_ref(),
                    store: store.as_ref(),
                };
                let size = i64::try_from(content.size()).unwrap_or(i64::MAX);
                let less = crate::model::Usage { bytes: -size, ..added(0, 0, 0) };
                tally.add(place, less);
            }
            tx.delete::<Revision>(revision.as_str())?;
        }
        tally.write(tx, self.turn()).await?;
        Ok(true)
    }

    async fn purge_entry_in(&self, tx: &mut Tx, id: &EntityId) -> Result<bool> {
        let Some(entry) = self.purgeable(tx, id).await? else { return Ok(false) };
        let store = match entry.content.blob() {
            Some(blob) => delete_for_good(tx, &blob.key, self.now()).await?,
            None => None,
        };
        let mut tally = Tally::default();
        let place =
            Place { owner: &entry.owner, dataset: entry.dataset.as_ref(), store: store.as_ref() };
        tally.add(place, removed(entry.size));
        tally.write(tx, self.turn()).await?;
        tx.delete::<Entry>(id.as_str())?;
        Ok(true)
    }

    /// An entry that may be removed now.
    async fn purgeable(&self, tx: &mut Tx, id: &EntityId) -> Result<Option<Entry>> {
        let Some(found) = tx.find::<Entry>(id.as_str()).await? else { return Ok(None) };
        let entry = found.value;
        let over = entry.due.is_some_and(|due| due <= self.now());
        if entry.status != EntryStatus::Deleted || !over || !entry.holds.is_empty() {
            return Ok(None);
        }
        if let Some(dataset) = &entry.dataset
            && let Some(dataset) = tx.find::<Dataset>(dataset.as_str()).await?
            && (!dataset.value.holds.is_empty() || dataset.value.state == DatasetState::Restoring)
        {
            return Ok(None);
        }
        Ok(Some(entry))
    }
}
