//! New revisions.

use repo_blob::{BlobDigest, ByteRange, Expected};
use repo_core::{EntityId, Result};
use serde::Serialize;

use crate::blobs::{NewBlob, activate, text_stream};
use crate::checks;
use crate::hashing::text_digest;
use crate::hooks::Step;
use crate::model::{
    Content, Entry, EntryStatus, Holder, HolderKind, Json, Owner, Revision, Snapshot,
};
use crate::records::{Tx, Versioned, transact};
use crate::refusal::Refusal;
use crate::revisions::publish::{check_base, put_in_place};
use crate::service::{DataService, fresh};
use crate::usage::{Place, Tally, added};

/// A revision to be made.
#[derive(Debug, Clone, Serialize)]
pub struct NewRevision {
    /// Its id, made by the client: the same request may be made again.
    pub id: EntityId,
    /// The revision that it was made from: the current one of the entry, `None` while the entry
    /// has the content that it was created with.
    pub base: Option<EntityId>,
    /// What is in it.
    pub content: RevisedContent,
    /// The name of the entry in it; the present one without it.
    pub name: Option<String>,
    /// The description of the entry in it; the present one without it.
    pub description: Option<String>,
    /// The metadata of the entry in it; the present ones without it.
    pub metadata: Option<Json>,
    /// Who makes it.
    pub author: Owner,
    /// Whether it becomes the content of the entry at once; a draft otherwise.
    pub publish: bool,
}

/// What is in a new revision.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RevisedContent {
    /// This text.
    Text(String),
    /// What is in another active entry now, copied.
    CopyOf(EntityId),
}

impl NewRevision {
    fn check(&self) -> Result<()> {
        self.name.as_deref().map_or(Ok(()), checks::name)?;
        checks::short("id", Some(self.id.as_str()))?;
        checks::description(self.description.as_deref())?;
        checks::metadata(self.metadata.as_ref())
    }

    fn fingerprint(&self, entry: &EntityId) -> Result<String> {
        let content = match &self.content {
            RevisedContent::Text(text) => RevisedContent::Text(text_digest(text)),
            copy @ RevisedContent::CopyOf(_) => copy.clone(),
        };
        let described = Json::from_serialize(&(entry, Self { content, ..self.clone() }))?;
        Ok(text_digest(&described.to_value().to_string()))
    }
}

impl DataService {
    /// Makes a revision of an active entry. Made again, the same request finds what it made.
    ///
    /// # Errors
    /// `NotFound`; the refusals `StaleBase` when `base` is not the current revision any more,
    /// `OtherContent` when the id is taken by another request, `Deleted`, `NotUploaded` for an
    /// entry that awaits its bytes, and `WrongState` for one without content; `LimitExceeded`
    /// for a text of 10 MiB or more, and beyond a quota.
    pub async fn revise_entry(
        &self,
        id: &EntityId,
        new: &NewRevision,
    ) -> Result<Versioned<Revision>> {
        new.check()?;
        let fingerprint = new.fingerprint(id)?;
        if let Some(found) = self.find::<Revision>(&new.id).await? {
            return same_request(found, &fingerprint);
        }
        let entry = self.read::<Entry>(id).await?.value;
        check_revisable(&entry)?;
        check_base(&entry, new.base.as_ref())?;
        let (content, content_type) = self.revised_content(&entry, &new.content).await?;
        let snapshot = Snapshot {
            name: new.name.clone().unwrap_or_else(|| entry.name.clone()),
            description: new.description.clone().or_else(|| entry.description.clone()),
            content_type,
            file_path: entry.file_path.clone(),
            metadata: new.metadata.clone().or_else(|| entry.metadata.clone()),
            content,
        };
        let revision = Revision {
            id: new.id.clone(),
            entry: id.clone(),
            number: 0,
            parent: new.base.clone(),
            snapshot,
            owner: entry.owner,
            author: new.author.clone(),
            created_at: self.now(),
            published_at: None,
            fingerprint,
        };
        let made = transact!(self, |tx| self.revise_in(&mut tx, &revision, new.publish));
        let blob = revision.snapshot.content.blob().map(|blob| blob.key);
        let theirs = |found: &Revision| found.snapshot.content.blob().map(|blob| blob.key);
        let kept = made.as_ref().is_ok_and(|(found, _)| theirs(&found.value) == blob);
        if let Some(key) = blob.filter(|_| !kept) {
            self.abandon_blob(&key).await;
        }
        let (found, committed) = made?;
        self.step(Step::Activated)?;
        committed.versioned(found)
    }

    async fn revise_in(
        &self,
        tx: &mut Tx,
        revision: &Revision,
        publish: bool,
    ) -> Result<Versioned<Revision>> {
        if let Some(found) = tx.find::<Revision>(revision.id.as_str()).await? {
            return same_request(found, &revision.fingerprint);
        }
        let mut entry = tx.get::<Entry>(revision.entry.as_str()).await?.value;
        check_revisable(&entry)?;
        check_base(&entry, revision.parent.as_ref())?;
        let store = match revision.snapshot.content.blob() {
            Some(blob) => Some(activate(tx, blob).await?),
            None => None,
        };
        let mut tally = Tally::default();
        let place =
            Place { owner: &entry.owner, dataset: entry.dataset.as_ref(), store: store.as_ref() };
        tally.add(place, added(revision.snapshot.content.size(), 0, 0));
        self.count_within_quota(tx, tally).await?;
        if entry.last_revision == 0 {
            // What the entry was created with becomes a revision, so that it is not lost.
            tx.put(&first_revision(&entry)?)?;
        }
        let mut revision = revision.clone();
        entry.last_revision += 1;
        revision.number = entry.last_revision;
        if publish {
            put_in_place(&mut entry, &mut revision, self.now());
        }
        tx.put(&entry)?;
        tx.put(&revision)?;
        Ok(fresh(revision))
    }

    /// The content of a revision; its blob is pending.
    async fn revised_content(
        &self,
        entry: &Entry,
        content: &RevisedContent,
    ) -> Result<(Content, Option<String>)> {
        let blob = |content_type: Option<String>| NewBlob {
            owner: entry.owner.clone(),
            holder: Holder { kind: HolderKind::Entry, id: entry.id.clone() },
            store: None,
            content_type,
        };
        match content {
            RevisedContent::Text(text) => {
                self.check_text(text)?;
                self.check_quota(&entry.owner, text.len() as u64, 0).await?;
                if text.len() <= self.options().spill_above {
                    return Ok((Content::Inline(text.clone()), None));
                }
                let expected = Expected::from(BlobDigest::of(text.as_bytes()));
                let kind = blob(Some("text/plain; charset=utf-8".to_owned()));
                let written = self.write_new_blob(kind, text_stream(text), &expected).await?;
                Ok((Content::Spilled(written), None))
            }
            RevisedContent::CopyOf(id) => {
                let source = self.read::<Entry>(id).await?.value;
                check_revisable(&source)?;
                self.check_quota(&entry.owner, source.size, 0).await?;
                let Some(from) = source.content.blob() else {
                    return Ok((source.content, source.content_type));
                };
                let opened = self.open_blob(&from.key, ByteRange::WHOLE).await?;
                let expected = Expected::from(from.digest());
                let new = blob(source.content_type.clone());
                let written = self.write_new_blob(new, opened.bytes, &expected).await?;
                let copied = match source.content {
                    Content::Spilled(_) => Content::Spilled(written),
                    _ => Content::Stored(written),
                };
                Ok((copied, source.content_type))
            }
        }
    }
}

fn check_revisable(entry: &Entry) -> Result<()> {
    let refuse =
        |refusal: Refusal, why: &str| Err(refusal.error("revise", why).with("entry", &entry.id));
    match (entry.status, &entry.content) {
        (EntryStatus::Deleted, _) => refuse(Refusal::Deleted, "the entry is deleted"),
        (EntryStatus::Pending, _) => {
            refuse(Refusal::NotUploaded, "the bytes of the entry have not arrived")
        }
        (EntryStatus::Active, Content::Inline(_) | Content::Spilled(_) | Content::Stored(_)) => {
            Ok(())
        }
        (EntryStatus::Active, _) => refuse(Refusal::WrongState, "the entry has no content"),
    }
}

/// The content that an entry was created with, as its revision 0.
fn first_revision(entry: &Entry) -> Result<Revision> {
    Ok(Revision {
        id: Revision::first_id(&entry.id)?,
        entry: entry.id.clone(),
        number: 0,
        parent: None,
        snapshot: Snapshot {
            name: entry.name.clone(),
            description: entry.description.clone(),
            content: entry.content.clone(),
            content_type: entry.content_type.clone(),
            file_path: entry.file_path.clone(),
            metadata: entry.metadata.clone(),
        },
        owner: entry.owner.clone(),
        author: entry.owner.clone(),
        created_at: entry.created_at,
        published_at: Some(entry.created_at),
        fingerprint: entry.fingerprint.clone(),
    })
}

fn same_request(found: Versioned<Revision>, fingerprint: &str) -> Result<Versioned<Revision>> {
    if found.value.fingerprint == fingerprint {
        return Ok(found);
    }
    Err(Refusal::OtherContent
        .error("revise", "there is another revision of this id")
        .with("id", &found.value.id))
}
