//! New entries.

use repo_blob::{BlobDigest, Expected};
use repo_core::{EntityId, Error, ErrorKind, Result};

use crate::blobs::{NewBlob, activate, text_stream};
use crate::checks::{ancestors_in, usable_dataset};
use crate::entries::new::{NewContent, NewEntry};
use crate::hooks::Step;
use crate::model::{Content, Entry, EntryKind, EntryStatus, Holder, HolderKind, OutsideLocation};
use crate::records::{Tx, Versioned, transact};
use crate::refusal::Refusal;
use crate::service::{DataService, fresh};
use crate::usage::{Place, Tally, added};

/// Most files of an outside source that are kept with it.
const MOST_OUTSIDE: usize = 1_000;

impl DataService {
    /// Creates an entry. Made again with the same id, or the same key, the same request finds
    /// what it made.
    ///
    /// # Errors
    /// `Invalid` for texts out of bounds; `LimitExceeded` for a text of 10 MiB or more, and
    /// beyond a quota; `AlreadyExists` with the refusal `OtherContent` when the id is taken by
    /// another request; `NotFound` for a dataset or parent that is not there, and the refusals
    /// `Deleted` and `WrongState` for one that takes nothing; `PermissionDenied` for an outside
    /// source that is not allowed.
    pub async fn create_entry(&self, new: NewEntry) -> Result<Versioned<Entry>> {
        new.check()?;
        let (id, repeatable) = new.chosen_id()?;
        let fingerprint = new.fingerprint()?;
        if repeatable && let Some(found) = self.find::<Entry>(&id).await? {
            return same_request(found, &fingerprint);
        }
        let size = match &new.content {
            NewContent::Text(text) => text.len() as u64,
            _ => 0,
        };
        self.check_quota(&new.owner, size, 1).await?;
        let content = self.content_of(&new, &id).await?;
        let entry = self.entry_of(new, id, content, fingerprint);
        let created = transact!(self, |tx| self.create_in(&mut tx, &entry));
        let ours = created.as_ref().is_ok_and(|(found, _)| found.value.content == entry.content);
        if !ours && let Some(blob) = entry.content.blob() {
            self.abandon_blob(&blob.key).await;
        }
        let (found, committed) = created?;
        if found.value.content.blob().is_some() {
            self.step(Step::Activated)?;
        }
        committed.versioned(found)
    }

    async fn content_of(&self, new: &NewEntry, id: &EntityId) -> Result<Content> {
        let text = match &new.content {
            NewContent::File | NewContent::Collection => {
                return Ok(Content::Awaited { staged: None });
            }
            NewContent::Directory => return Ok(Content::Nothing),
            NewContent::Outside(location) => return self.outside(location).await,
            NewContent::Text(text) => text,
        };
        self.check_text(text)?;
        if text.len() <= self.options().spill_above {
            return Ok(Content::Inline(text.clone()));
        }
        let blob = NewBlob {
            owner: new.owner.clone(),
            holder: Holder { kind: HolderKind::Entry, id: id.clone() },
            store: new.store.clone(),
            content_type: Some("text/plain; charset=utf-8".to_owned()),
        };
        let expected = Expected::from(BlobDigest::of(text.as_bytes()));
        Ok(Content::Spilled(self.write_new_blob(blob, text_stream(text), &expected).await?))
    }

    /// Whether a text may be kept as one.
    pub(crate) fn check_text(&self, text: &str) -> Result<()> {
        if text.contains('\0') {
            let why = "a text holds U+0000";
            return Err(
                Error::new(ErrorKind::Invalid, "keep a text", why).hint("upload it as a file")
            );
        }
        let below = self.options().inline.below;
        if text.len() < below {
            return Ok(());
        }
        Err(Error::new(ErrorKind::LimitExceeded, "keep a text", "the text is too long")
            .with("bytes", text.len())
            .with("below", below)
            .hint("upload it as a file"))
    }

    async fn outside(&self, location: &OutsideLocation) -> Result<Content> {
        self.options().sources.check(location)?;
        let files = match &self.options().lister {
            Some(lister) => lister.list(location, MOST_OUTSIDE).await?,
            None => Vec::new(),
        };
        Ok(Content::Outside { location: location.clone(), files })
    }

    fn entry_of(
        &self,
        new: NewEntry,
        id: EntityId,
        content: Content,
        fingerprint: String,
    ) -> Entry {
        let now = self.now();
        let (status, due) = match &content {
            Content::Awaited { .. } => {
                (EntryStatus::Pending, Some(now.saturating_add(self.options().pending_expiry)))
            }
            _ => (EntryStatus::Active, None),
        };
        let kind = match &content {
            // Several files outside are one collection.
            Content::Outside { files, .. } if files.len() > 1 => EntryKind::Collection,
            _ => new.kind(),
        };
        Entry {
            id,
            name: new.name,
            description: new.description,
            kind,
            status,
            size: content.size(),
            content,
            content_type: new.content_type,
            parent: new.parent,
            ancestors: Vec::new(),
            dataset: new.dataset,
            project: new.project,
            owner: new.owner,
            file_path: new.file_path,
            tags: new.tags,
            metadata: new.metadata,
            share: new.share,
            upload: None,
            revision: None,
            revision_number: 0,
            last_revision: 0,
            created_at: now,
            modified_at: now,
            deleted_at: None,
            deleted_with: None,
            due,
            holds: Vec::new(),
            fingerprint,
            extra: new.extra,
        }
    }

    async fn create_in(&self, tx: &mut Tx, entry: &Entry) -> Result<Versioned<Entry>> {
        if let Some(found) = tx.find::<Entry>(entry.id.as_str()).await? {
            return same_request(found, &entry.fingerprint);
        }
        let mut entry = entry.clone();
        if let Some(dataset) = &entry.dataset {
            usable_dataset(tx, dataset).await?;
        }
        if let Some(parent) = &entry.parent {
            entry.ancestors = ancestors_in(tx, parent).await?;
        }
        let store = match entry.content.blob() {
            Some(blob) => Some(activate(tx, blob).await?),
            None => None,
        };
        if entry.status == EntryStatus::Active {
            let place = Place {
                owner: &entry.owner,
                dataset: entry.dataset.as_ref(),
                store: store.as_ref(),
            };
            let mut tally = Tally::default();
            tally.add(place, added(entry.size, 1, 0));
            self.count_within_quota(tx, tally).await?;
        }
        tx.put(&entry)?;
        Ok(fresh(entry))
    }
}

/// What a repeated creation finds.
fn same_request(found: Versioned<Entry>, fingerprint: &str) -> Result<Versioned<Entry>> {
    if found.value.fingerprint != fingerprint {
        return Err(Refusal::OtherContent
            .error("create an entry", "there is another entry of this id")
            .with("id", &found.value.id));
    }
    if found.value.status == EntryStatus::Deleted {
        return Err(Refusal::Deleted
            .error("create an entry", "the entry was created, and deleted since")
            .with("id", &found.value.id));
    }
    Ok(found)
}
