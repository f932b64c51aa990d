//! Drafts that become the content of their entry.

use repo_core::{EntityId, Result, Timestamp, Version};

use crate::model::{Entry, EntryStatus, Revision};
use crate::records::{Tx, Versioned, expect, missing, transact};
use crate::refusal::Refusal;
use crate::service::DataService;

impl DataService {
    /// Makes a draft the content of its entry. One that is published stays so.
    ///
    /// # Errors
    /// `NotFound`, also for a revision of another entry; `Conflict` for another version of the
    /// entry; the refusals `StaleBase` and `Deleted`.
    pub async fn publish_revision(
        &self,
        id: &EntityId,
        revision: &EntityId,
        expected: Option<Version>,
    ) -> Result<Versioned<Revision>> {
        let (found, committed) =
            transact!(self, |tx| self.publish_in(&mut tx, id, revision, expected))?;
        committed.versioned(found)
    }

    async fn publish_in(
        &self,
        tx: &mut Tx,
        id: &EntityId,
        revision: &EntityId,
        expected: Option<Version>,
    ) -> Result<Versioned<Revision>> {
        let mut found = tx.get::<Revision>(revision.as_str()).await?;
        if found.value.entry != *id {
            return Err(missing::<Revision>(revision.as_str()));
        }
        if found.value.published_at.is_some() {
            return Ok(found);
        }
        let mut entry = tx.get::<Entry>(id.as_str()).await?;
        expect(&entry, expected)?;
        if entry.value.status == EntryStatus::Deleted {
            return Err(Refusal::Deleted
                .error("publish", "the entry is deleted")
                .with("entry", id));
        }
        check_base(&entry.value, found.value.parent.as_ref())?;
        put_in_place(&mut entry.value, &mut found.value, self.now());
        tx.put(&entry.value)?;
        tx.put(&found.value)?;
        Ok(found)
    }
}

/// `StaleBase` unless a revision was made from the current one.
pub(super) fn check_base(entry: &Entry, base: Option<&EntityId>) -> Result<()> {
    if entry.revision.as_ref() == base {
        return Ok(());
    }
    let shown = |id: Option<&EntityId>| id.map_or_else(|| "none".to_owned(), ToString::to_string);
    Err(Refusal::StaleBase
        .error("revise", "the entry has another current revision by now")
        .with("entry", &entry.id)
        .with("base", shown(base))
        .with("current", shown(entry.revision.as_ref())))
}

/// The entry becomes what the revision is.
pub(super) fn put_in_place(entry: &mut Entry, revision: &mut Revision, now: Timestamp) {
    let snapshot = revision.snapshot.clone();
    entry.name = snapshot.name;
    entry.description = snapshot.description;
    entry.size = snapshot.content.size();
    entry.content = snapshot.content;
    entry.content_type = snapshot.content_type;
    entry.metadata = snapshot.metadata;
    entry.revision = Some(revision.id.clone());
    entry.revision_number = revision.number;
    entry.modified_at = now;
    revision.published_at = Some(now);
}
