//! Deleting and restoring entries.

use repo_core::{EntityId, Query, Result, Timestamp, Version, field};

use crate::blobs::{condemn, restore};
use crate::checks::usable_dataset;
use crate::holds::check_not_held;
use crate::hooks::Step;
use crate::model::{Entry, EntryKind, EntryStatus};
use crate::records::{Tx, Versioned, expect, transact};
use crate::refusal::Refusal;
use crate::service::DataService;
use crate::uploads::end_in;
use crate::usage::{Place, Tally, condemned, restored};

/// How something is deleted.
#[derive(Debug, Clone)]
pub(crate) struct Deletion {
    pub(crate) now: Timestamp,
    /// Until then it can be restored.
    pub(crate) until: Timestamp,
    /// The dataset that it is deleted with.
    pub(crate) with: Option<EntityId>,
}

impl DataService {
    /// Deletes an entry: it can be restored for the time of the retention, with its revisions.
    /// One that is pending is removed, and its upload has ended. One that is deleted stays so.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for another version; the refusals `Held` and, for a directory
    /// that is not empty, `HasChildren`.
    pub async fn delete_entry(&self, id: &EntityId, expected: Option<Version>) -> Result<()> {
        let deletion = self.deletion(None);
        transact!(self, |tx| self.delete_one(&mut tx, id, expected, &deletion)).map(|_| ())?;
        self.step(Step::Condemned)
    }

    /// A deletion that begins now.
    pub(crate) fn deletion(&self, with: Option<EntityId>) -> Deletion {
        let now = self.now();
        Deletion { now, until: now.saturating_add(self.options().retention), with }
    }

    async fn delete_one(
        &self,
        tx: &mut Tx,
        id: &EntityId,
        expected: Option<Version>,
        deletion: &Deletion,
    ) -> Result<()> {
        let found = tx.get::<Entry>(id.as_str()).await?;
        if found.value.status == EntryStatus::Deleted {
            return Ok(());
        }
        expect(&found, expected)?;
        check_not_held(&found.value.holds, id)?;
        if let Some(dataset) = &found.value.dataset
            && let Some(dataset) = tx.find::<crate::model::Dataset>(dataset.as_str()).await?
        {
            check_not_held(&dataset.value.holds, id)?;
        }
        if found.value.kind == EntryKind::Directory {
            self.check_childless(id).await?;
        }
        let mut tally = Tally::default();
        delete_in(tx, found.value, deletion, &mut tally).await?;
        tally.write(tx, self.turn()).await
    }

    async fn check_childless(&self, id: &EntityId) -> Result<()> {
        let present = field("status").ne(EntryStatus::Deleted);
        let query = Query::new(field("parent").eq(id).and(present).filter()?).limit(1)?;
        match self.page::<Entry>(&query.strong()).await?.items.first() {
            None => Ok(()),
            Some(child) => Err(Refusal::HasChildren
                .error("delete", "the directory is not empty")
                .with("id", id)
                .with("child", &child.value.id)),
        }
    }

    /// Restores a deleted entry, if its time is not over. One that is active stays so.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for another version; the refusals `TooLate` when its bytes may be
    /// gone, `RestoreDataset` when it was deleted with its dataset, and `Deleted` when its
    /// dataset was deleted since; `LimitExceeded` beyond a quota.
    pub async fn restore_entry(
        &self,
        id: &EntityId,
        expected: Option<Version>,
    ) -> Result<Versioned<Entry>> {
        let (found, committed) = transact!(self, |tx| self.restore_one(&mut tx, id, expected))?;
        committed.versioned(found)
    }

    async fn restore_one(
        &self,
        tx: &mut Tx,
        id: &EntityId,
        expected: Option<Version>,
    ) -> Result<Versioned<Entry>> {
        let found = tx.get::<Entry>(id.as_str()).await?;
        if found.value.status == EntryStatus::Active {
            return Ok(found);
        }
        expect(&found, expected)?;
        if found.value.status == EntryStatus::Pending {
            let why = "the entry is not deleted, it awaits its bytes";
            return Err(Refusal::WrongState.error("restore", why).with("id", id));
        }
        if found.value.deleted_with.is_some() {
            let why = "the entry was deleted with its dataset";
            return Err(Refusal::RestoreDataset.error("restore", why).with("id", id));
        }
        if found.value.due.is_some_and(|due| due <= self.now()) {
            let why = "the time in which the entry could be restored is over";
            return Err(Refusal::TooLate.error("restore", why).with("id", id));
        }
        if let Some(dataset) = &found.value.dataset {
            usable_dataset(tx, dataset).await?;
        }
        let mut tally = Tally::default();
        let version = found.version;
        let entry = restore_in(tx, found.value, self.now(), &mut tally).await?;
        self.count_within_quota(tx, tally).await?;
        Ok(Versioned { value: entry, version })
    }
}

/// Deletes an entry within a commit: what it was is kept until its time is over.
pub(crate) async fn delete_in(
    tx: &mut Tx,
    mut entry: Entry,
    deletion: &Deletion,
    tally: &mut Tally,
) -> Result<()> {
    if entry.status == EntryStatus::Pending {
        return remove_pending(tx, &entry, deletion.now).await;
    }
    let store = match entry.content.blob() {
        Some(blob) => condemn(tx, &blob.key, deletion.until).await?,
        None => None,
    };
    let place =
        Place { owner: &entry.owner, dataset: entry.dataset.as_ref(), store: store.as_ref() };
    tally.add(place, condemned(entry.size, 1, 0));
    entry.status = EntryStatus::Deleted;
    entry.deleted_at = Some(deletion.now);
    entry.modified_at = deletion.now;
    entry.due = Some(deletion.until);
    entry.deleted_with.clone_from(&deletion.with);
    tx.put(&entry)
}

/// Removes an entry that never had a content, with its uploads: what arrived is left to the
/// sweeper.
pub(super) async fn remove_pending(tx: &mut Tx, entry: &Entry, now: Timestamp) -> Result<()> {
    let staged = entry.content.blob().map(|blob| blob.key);
    for upload in staged.into_iter().chain(entry.upload) {
        end_in(tx, &upload, now).await?;
    }
    tx.delete::<Entry>(entry.id.as_str())
}

/// Restores an entry within a commit.
pub(crate) async fn restore_in(
    tx: &mut Tx,
    mut entry: Entry,
    now: Timestamp,
    tally: &mut Tally,
) -> Result<Entry> {
    let store = match entry.content.blob() {
        Some(blob) => Some(restore(tx, &blob.key).await?),
        None => None,
    };
    let place =
        Place { owner: &entry.owner, dataset: entry.dataset.as_ref(), store: store.as_ref() };
    tally.add(place, restored(entry.size, 1, 0));
    entry.status = EntryStatus::Active;
    (entry.deleted_at, entry.due, entry.deleted_with) = (None, None, None);
    entry.modified_at = now;
    tx.put(&entry)?;
    Ok(entry)
}
