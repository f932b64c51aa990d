//! Reading entries.

use repo_blob::{Blob, ByteRange};
use repo_core::{EntityId, Result};

use crate::model::{Content, Entry, EntryStatus};
use crate::records::{Versioned, find_many};
use crate::refusal::Refusal;
use crate::service::DataService;

impl DataService {
    /// An entry, whatever its status, as it is stored: a large text is in its blob.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn entry(&self, id: &EntityId) -> Result<Versioned<Entry>> {
        self.read(id).await
    }

    /// Entries in the order of their ids; `None` where there is none.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn entries(&self, ids: &[EntityId]) -> Result<Vec<Option<Versioned<Entry>>>> {
        find_many(&**self.strategy(), ids).await
    }

    /// The text of a content, wherever it is kept; `None` for what is no text.
    ///
    /// # Errors
    /// As [`open_blob`](Self::open_blob), and `Corrupt` for a text that is not UTF-8.
    pub async fn text(&self, content: &Content) -> Result<Option<String>> {
        match content {
            Content::Inline(text) => Ok(Some(text.clone())),
            Content::Spilled(blob) => self.text_of_blob(blob).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The bytes of the file of an active entry, or a range of them.
    ///
    /// # Errors
    /// `NotFound`; the refusals `Deleted`, `NotUploaded` for a pending one, and `WrongState` for
    /// one without bytes in a blob; else as [`open_blob`](Self::open_blob).
    pub async fn open_entry(&self, id: &EntityId, range: ByteRange) -> Result<Blob> {
        let entry = self.read::<Entry>(id).await?.value;
        let refuse = |refusal: Refusal, why: &str| Err(refusal.error("read", why).with("id", id));
        match (entry.status, &entry.content) {
            (EntryStatus::Deleted, _) => refuse(Refusal::Deleted, "the entry is deleted"),
            (EntryStatus::Pending, _) => {
                refuse(Refusal::NotUploaded, "the bytes of the entry have not arrived")
            }
            (EntryStatus::Active, Content::Stored(blob) | Content::Spilled(blob)) => {
                self.open_blob(&blob.key, range).await
            }
            (EntryStatus::Active, _) => refuse(Refusal::WrongState, "the entry has no file"),
        }
    }

    /// Reads the bytes of an active entry, and compares their digests. Nothing to do for one
    /// without a blob.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt`; the refusal `Deleted`.
    pub async fn verify_entry(&self, id: &EntityId) -> Result<()> {
        match self.read::<Entry>(id).await?.value.content {
            Content::Stored(blob) | Content::Spilled(blob) => self.verify_blob(&blob.key).await,
            _ => Ok(()),
        }
    }

    /// The names from the root to an entry, its own the last, with one read for all of them.
    /// The name of a directory that is gone is its id.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn path_of(&self, entry: &Entry) -> Result<Vec<String>> {
        let found = find_many::<Entry>(&**self.strategy(), &entry.ancestors).await?;
        let name = |(id, found): (&EntityId, Option<Versioned<Entry>>)| match found {
            Some(found) => found.value.name,
            None => id.to_string(),
        };
        let above = entry.ancestors.iter().zip(found).map(name);
        Ok(above.chain([entry.name.clone()]).collect())
    }
}
