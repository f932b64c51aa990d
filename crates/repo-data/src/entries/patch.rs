//! Changes of what is said of an entry.

use repo_core::{EntityId, Result, Version};

use crate::checks;
use crate::model::{Entry, EntryStatus, Json, Share};
use crate::records::{Tx, Versioned, expect, transact};
use crate::refusal::Refusal;
use crate::service::DataService;

/// What is changed of an entry; what is `None` stays. The content is changed by an upload or a
/// revision.
#[derive(Debug, Clone, Default)]
pub struct EntryPatch {
    /// Its name.
    pub name: Option<String>,
    /// Its description, or that it has none.
    pub description: Option<Option<String>>,
    /// Its tags, all of them.
    pub tags: Option<Vec<String>>,
    /// Its metadata, all of them, or that it has none.
    pub metadata: Option<Option<Json>>,
    /// Who else may read it.
    pub share: Option<Share>,
    /// What it is said to be, or that nothing is said.
    pub content_type: Option<Option<String>>,
}

impl EntryPatch {
    fn check(&self) -> Result<()> {
        self.name.as_deref().map_or(Ok(()), checks::name)?;
        checks::description(self.description.as_ref().and_then(Option::as_deref))?;
        checks::short("content_type", self.content_type.as_ref().and_then(Option::as_deref))?;
        checks::tags(self.tags.as_deref().unwrap_or_default())?;
        checks::metadata(self.metadata.as_ref().and_then(Option::as_ref))?;
        self.share.as_ref().map_or(Ok(()), checks::share)
    }

    fn apply(&self, entry: &mut Entry) {
        set(&mut entry.name, self.name.as_ref());
        set(&mut entry.description, self.description.as_ref());
        set(&mut entry.tags, self.tags.as_ref());
        set(&mut entry.metadata, self.metadata.as_ref());
        set(&mut entry.share, self.share.as_ref());
        set(&mut entry.content_type, self.content_type.as_ref());
    }
}

fn set<T: Clone>(field: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

impl DataService {
    /// Changes what is said of an entry. A patch that changes nothing writes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for another version; `Invalid` for texts out of bounds; the
    /// refusal `Deleted`.
    pub async fn patch_entry(
        &self,
        id: &EntityId,
        patch: &EntryPatch,
        expected: Option<Version>,
    ) -> Result<Versioned<Entry>> {
        patch.check()?;
        let (found, committed) = transact!(self, |tx| self.patch_in(&mut tx, id, patch, expected))?;
        committed.versioned(found)
    }

    async fn patch_in(
        &self,
        tx: &mut Tx,
        id: &EntityId,
        patch: &EntryPatch,
        expected: Option<Version>,
    ) -> Result<Versioned<Entry>> {
        let mut found = tx.get::<Entry>(id.as_str()).await?;
        expect(&found, expected)?;
        if found.value.status == EntryStatus::Deleted {
            return Err(Refusal::Deleted.error("change", "the entry is deleted").with("id", id));
        }
        let before = found.value.clone();
        patch.apply(&mut found.value);
        if found.value != before {
            found.value.modified_at = self.now();
            tx.put(&found.value)?;
        }
        Ok(found)
    }
}
