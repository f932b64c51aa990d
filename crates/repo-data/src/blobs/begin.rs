//! A blob before anything refers to it.

use repo_blob::{BlobKey, ByteStream, Expected};
use repo_core::Result;

use crate::blobs::change::condemn_pending;
use crate::hooks::Step;
use crate::model::{BlobRecord, BlobRef, Holder, Owner, StoreName};
use crate::records::{Tx, transact};
use crate::service::DataService;

/// A blob that is about to be written.
#[derive(Debug, Clone)]
pub(crate) struct NewBlob {
    pub(crate) owner: Owner,
    pub(crate) holder: Holder,
    pub(crate) store: Option<StoreName>,
    pub(crate) content_type: Option<String>,
}

impl DataService {
    /// The record of a new blob, which is not stored yet.
    pub(crate) fn new_blob(&self, new: NewBlob) -> Result<BlobRecord> {
        let store = new.store.unwrap_or_else(|| self.blob_stores().default_name().clone());
        self.blob_store(&store)?;
        let now = self.now();
        let expires_at = now.saturating_add(self.options().pending_expiry);
        let key = BlobKey::random()?;
        let mut record = BlobRecord::pending(key, store, new.owner, new.holder, now, expires_at);
        record.content_type = new.content_type;
        Ok(record)
    }

    /// Records a blob, and writes it. It stays pending: the caller activates it in the commit
    /// that refers to it, or [abandons](Self::abandon_blob) it.
    pub(crate) async fn write_new_blob(
        &self,
        new: NewBlob,
        bytes: ByteStream<'_>,
        expected: &Expected,
    ) -> Result<BlobRef> {
        let record = self.new_blob(new)?;
        transact!(self, |tx| record_in(&mut tx, &record)).map(|_| ())?;
        self.step(Step::BlobRecorded)?;
        let written = self.blob_store(&record.store)?.put(&record.id, bytes, expected).await;
        match written {
            Ok(digest) => {
                self.step(Step::BytesWritten)?;
                Ok(BlobRef::new(record.id, digest))
            }
            Err(error) => {
                self.abandon_blob(&record.id).await;
                Err(error)
            }
        }
    }

    /// Leaves a pending blob to the sweeper at once. One that became active meanwhile stays.
    /// What fails here waits until the blob expires.
    pub(crate) async fn abandon_blob(&self, key: &BlobKey) {
        let now = self.now();
        let abandoned: Result<_> = transact!(self, |tx| condemn_pending(&mut tx, key, now));
        drop(abandoned);
    }
}

async fn record_in(tx: &mut Tx, record: &BlobRecord) -> Result<()> {
    // Nobody has this key, and the commit checks it.
    tx.assume_absent::<BlobRecord>(&record.id.to_string())?;
    tx.put(record)
}
