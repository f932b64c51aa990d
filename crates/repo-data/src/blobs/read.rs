//! Reading blobs, and looking whether they are what they should be.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use repo_blob::{Blob, BlobKey, ByteRange, ByteStream};
use repo_core::{EntityId, Error, ErrorKind, Result};

use crate::model::{BlobRecord, BlobRef, BlobState};
use crate::records::Versioned;
use crate::refusal::Refusal;
use crate::service::DataService;

impl DataService {
    /// The record of a blob.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn blob(&self, key: &BlobKey) -> Result<Versioned<BlobRecord>> {
        self.read(&EntityId::new(&key.to_string())?).await
    }

    /// The bytes of an active blob, or a range of them.
    ///
    /// # Errors
    /// `NotFound`; the refusal `Deleted` when it is not active; `Invalid` for a range that the
    /// blob ends before; those of the store of blobs.
    pub async fn open_blob(&self, key: &BlobKey, range: ByteRange) -> Result<Blob> {
        let record = self.blob(key).await?.value;
        if record.state != BlobState::Active {
            return Err(Refusal::Deleted.error("read", "the blob is not active").with("blob", key));
        }
        self.blob_store(&record.store)?.get(key, range).await
    }

    /// Reads an active blob, and compares its digests with those of its record.
    ///
    /// # Errors
    /// `Corrupt` if they differ, or there are no bytes; else as [`open_blob`](Self::open_blob).
    pub async fn verify_blob(&self, key: &BlobKey) -> Result<()> {
        let record = self.blob(key).await?.value;
        let Some(digest) = record.digest().filter(|_| record.state == BlobState::Active) else {
            return Err(Refusal::Deleted
                .error("verify", "the blob is not active")
                .with("blob", key));
        };
        let verified = self.blob_store(&record.store)?.verify(key, &digest).await;
        verified.map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.into_kind(ErrorKind::Corrupt),
            _ => error,
        })
    }

    /// Whether the bytes of a pending blob are there, all of them.
    ///
    /// # Errors
    /// The refusal `NotUploaded` otherwise.
    pub(crate) async fn check_bytes(&self, blob: &BlobRef) -> Result<()> {
        let refuse =
            |why: &str| Err(Refusal::NotUploaded.error("activate", why).with("blob", blob.key));
        let Some(record) = self.find::<BlobRecord>(&EntityId::new(&blob.key.to_string())?).await?
        else {
            return refuse("the bytes were given up");
        };
        match self.blob_store(&record.value.store)?.head(&blob.key).await {
            Ok(meta) if meta.size == blob.size => Ok(()),
            Ok(_) => refuse("the store of blobs has another number of bytes"),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                refuse("the store of blobs does not have the bytes")
            }
            Err(error) => Err(error),
        }
    }

    /// A text that is kept in a blob.
    pub(crate) async fn text_of_blob(&self, blob: &BlobRef) -> Result<String> {
        let size = usize::try_from(blob.size).unwrap_or(usize::MAX);
        let opened = self.open_blob(&blob.key, ByteRange::WHOLE).await?;
        let mut bytes = Vec::with_capacity(size.min(64 * 1024 * 1024));
        let mut chunks = opened.bytes;
        while let Some(chunk) = chunks.try_next().await? {
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes).map_err(|source| {
            Error::new(ErrorKind::Corrupt, "read", "the blob of a text is not UTF-8")
                .with("blob", blob.key)
                .caused_by(source)
        })
    }
}

/// The bytes of a text.
pub(crate) fn text_stream(text: &str) -> ByteStream<'static> {
    stream::iter([Ok(Bytes::copy_from_slice(text.as_bytes()))]).boxed()
}
