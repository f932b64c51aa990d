//! Blobs before they have a record, and after.
//!
//! A blob is noted as pending before its first byte is written. The commit that writes its
//! record removes the note, and only at the version that this writer made: a sweeper that was
//! quicker has changed it. What a record no longer needs is noted as condemned in the commit
//! that takes it away. So every blob has a record or a note, whatever is killed when.

use repo_blob::{BlobDigest, BlobKey, BlobStore, ByteStream, Expected};
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{Document, Entity, EntityId, Key, Precondition, Result, Write};

use super::manager::StorageManager;
use super::record::{BlobAt, Kept, Loose, LooseState};

impl StorageManager {
    /// Notes a blob, writes its bytes, and gives the write that removes the note.
    pub(super) async fn write_pending(
        &self,
        place: &str,
        blobs: &dyn BlobStore,
        bytes: ByteStream<'_>,
    ) -> Result<(BlobKey, Write, BlobDigest)> {
        let blob = BlobKey::random()?;
        let document = self.note(place, &blob, LooseState::Pending)?;
        let key = self.note_key(&blob)?;
        let noted = self.store.create(key.clone(), document).await?;
        match blobs.put(&blob, bytes, &Expected::NOTHING).await {
            Ok(digest) => {
                let seen = Precondition::Version(noted.version);
                Ok((blob, Write::delete(key, seen), digest))
            }
            Err(error) => {
                self.discard(blobs, &blob).await;
                Err(error)
            }
        }
    }

    /// Removes a blob that nothing refers to, and its note. What fails is left to the
    /// sweeper, which finds the note.
    pub(super) async fn discard(&self, blobs: &dyn BlobStore, blob: &BlobKey) {
        if blobs.delete(blob).await.is_ok()
            && let Ok(key) = self.note_key(blob)
        {
            let _ = self.store.commit(vec![Write::delete(key, Precondition::Any)]).await;
        }
    }

    /// Adds to a commit that takes a record away what condemns its blob.
    pub(super) fn condemnation(
        &self,
        old: Option<&Entity>,
        writes: &mut Vec<Write>,
    ) -> Result<Option<BlobAt>> {
        let Some(old) = old else { return Ok(None) };
        let kept: Kept = old.document.deserialize()?;
        let Some(blob) = kept.blob else { return Ok(None) };
        let document = self.note(&kept.stored.place, &blob, LooseState::Condemned)?;
        writes.push(Write::put(self.note_key(&blob)?, document, Precondition::Absent));
        Ok(Some((kept.stored.place, blob)))
    }

    /// Removes the bytes of a condemned blob at once where that is possible.
    pub(super) async fn remove_condemned(&self, blob: Option<BlobAt>) {
        if let Some((place, blob)) = blob
            && let Ok(blobs) = self.blobs_of(&place)
        {
            self.discard(&*blobs, &blob).await;
        }
    }

    pub(super) fn note_key(&self, blob: &BlobKey) -> Result<Key> {
        Ok(Key::new(self.collections.loose.clone(), EntityId::new(&blob.to_string())?))
    }

    pub(super) fn note(&self, place: &str, id: &BlobKey, state: LooseState) -> Result<Document> {
        let (id, place, since) = (*id, place.to_owned(), self.clock.now());
        Document::from_serialize(&Loose { id, place, state, since })
    }
}
