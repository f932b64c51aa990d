//! Staging: an entry knows the bytes that will be its content.

use repo_blob::BlobDigest;
use repo_core::Result;

use crate::blobs::condemn;
use crate::model::{
    BlobRecord, BlobRef, BlobState, Content, Entry, UploadId, UploadRecord, UploadState,
};
use crate::records::{Tx, Versioned, transact};
use crate::refusal::Refusal;
use crate::service::DataService;
use crate::uploads::begin::check_pending;

impl DataService {
    pub(super) async fn stage(
        &self,
        id: &UploadId,
        digest: BlobDigest,
    ) -> Result<Versioned<UploadRecord>> {
        let (found, committed) = transact!(self, |tx| self.stage_in(&mut tx, id, digest))?;
        committed.versioned(found)
    }

    async fn stage_in(
        &self,
        tx: &mut Tx,
        id: &UploadId,
        digest: BlobDigest,
    ) -> Result<Versioned<UploadRecord>> {
        let mut found = tx.get::<UploadRecord>(&id.to_string()).await?;
        if found.value.state == UploadState::Complete {
            return Ok(found);
        }
        let mut blob = tx.get::<BlobRecord>(&id.to_string()).await?.value;
        if blob.state != BlobState::Pending {
            return Err(Refusal::Expired
                .error("upload", "the upload was given up before it was complete")
                .with("upload", id));
        }
        let mut entry = tx.get::<Entry>(found.value.entry.as_str()).await?.value;
        check_pending(&entry)?;
        let now = self.now();
        let due = now.saturating_add(self.options().pending_expiry);
        if let Content::Awaited { staged: Some(before) } = &entry.content {
            condemn(tx, &before.key, now).await?;
        }
        entry.content = Content::Awaited { staged: Some(BlobRef::new(*id, digest)) };
        entry.size = digest.size;
        entry.modified_at = now;
        entry.due = Some(due);
        (blob.expires_at, blob.due) = (Some(due), Some(due));
        let upload = &mut found.value;
        upload.state = UploadState::Complete;
        upload.digest = Some(digest);
        upload.due = due;
        tx.put(&entry)?;
        tx.put(&blob)?;
        tx.put(&found.value)?;
        Ok(found)
    }
}
