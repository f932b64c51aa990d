//! Blobs in an object store.

mod bucket;
mod connect;
mod faults;
mod named;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use object_store::multipart::PartId;
use object_store::path::Path;
use repo_core::{Error, ErrorKind, Result};

use self::bucket::Bucket;
pub use self::bucket::Remote;
pub use self::named::{NamedObject, NamedObjects};
use crate::digest::{BlobDigest, Expected, Md5};
use crate::key::BlobKey;
use crate::limited::limited;
use crate::location::S3Location;
use crate::options::BlobOptions;
use crate::part_check::checked;
use crate::parts::{PartNumber, PartReceipt, PartSession, Upload, in_order};
use crate::range::ByteRange;
use crate::store::{Blob, BlobEntry, BlobMeta, BlobStore, ByteStream, PageLimit};
use crate::stream::{Intake, digest_of};

/// Blobs as objects of a bucket, below a prefix.
///
/// Up to 8 MiB a blob is one conditional request (`If-None-Match: *`); above it is a
/// multipart upload, which S3 cannot make conditional through this client, so the key is
/// looked for before. Requests that fail in passing are made again, five times at most.
#[derive(Debug, Clone)]
pub struct ObjectBlobs {
    bucket: Bucket,
}

impl ObjectBlobs {
    /// Blobs in any store of the crate `object_store` that has conditional puts and
    /// multipart uploads. `location` is how the store is called in messages.
    #[must_use]
    pub fn over(store: Arc<dyn Remote>, location: &str) -> Self {
        Self { bucket: Bucket::new(store, Path::default(), location) }
    }

    /// Blobs in an S3 bucket. Nothing is asked of the server yet.
    pub(crate) fn s3(location: &S3Location, options: &BlobOptions) -> Result<Self> {
        let store = connect::s3(location, options)?;
        let prefix = Path::from(location.prefix());
        Ok(Self { bucket: Bucket::new(Arc::new(store), prefix, &location.to_string()) })
    }

    /// Reads what was joined. What is not as it should be is removed again.
    async fn prove(
        &self,
        key: &BlobKey,
        parts: Vec<PartReceipt>,
        expected: &Expected,
    ) -> Result<BlobDigest> {
        let read = async {
            let blob = self.bucket.get(key, ByteRange::WHOLE).await?;
            let found = digest_of(checked(blob.bytes, parts)).await?;
            expected.check("complete parts", &found)?;
            Ok(found)
        };
        let read: Result<BlobDigest> = read.await;
        match read {
            Err(error) if error.kind() == ErrorKind::Invalid => {
                self.bucket.delete(key).await?;
                Err(error)
            }
            // The blob is there, and not proved.
            Err(error) if error.is_retryable() => Err(error
                .into_kind(ErrorKind::OutcomeUnknown)
                .hint("verify the blob, or delete it")),
            read => read,
        }
    }
}

/// That Google's client fits. A store over it is refused until its conditional writes were
/// seen to hold.
#[cfg(feature = "gcs")]
const _: fn(object_store::gcp::GoogleCloudStorage) -> Arc<dyn Remote> = |store| Arc::new(store);

fn upload_of<'a>(operation: &'static str, session: &'a PartSession) -> Result<&'a String> {
    match session.upload() {
        Upload::Multipart(id) => Ok(id),
        Upload::Folder(_) => Err(PartSession::foreign(operation)),
    }
}

fn ended(session: &PartSession, error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound { session.ended(error.operation()) } else { error }
}

#[async_trait]
impl BlobStore for ObjectBlobs {
    fn location(&self) -> String {
        self.bucket.location().to_owned()
    }

    async fn put(
        &self,
        key: &BlobKey,
        bytes: ByteStream<'_>,
        expected: &Expected,
    ) -> Result<BlobDigest> {
        upload::put(&self.bucket, key, Intake::new(bytes, *expected, "put")).await
    }

    async fn get(&self, key: &BlobKey, range: ByteRange) -> Result<Blob> {
        self.bucket.get(key, range).await
    }

    async fn head(&self, key: &BlobKey) -> Result<BlobMeta> {
        self.bucket.head("head", key).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.bucket.delete(key).await
    }

    async fn list(&self, after: Option<&BlobKey>, limit: PageLimit) -> Result<Vec<BlobEntry>> {
        self.bucket.list(after, limit).await
    }

    async fn begin_parts(&self, key: &BlobKey) -> Result<PartSession> {
        self.bucket.check_free("begin parts", key).await?;
        let id = self.bucket.begin_upload("begin parts", key).await?;
        Ok(PartSession::new(*key, Upload::Multipart(id)))
    }

    async fn put_part(
        &self,
        session: &PartSession,
        number: PartNumber,
        bytes: ByteStream<'_>,
        expected: Option<Md5>,
    ) -> Result<PartReceipt> {
        let upload = upload_of("put part", session)?;
        let expected = Expected { md5: expected, ..Expected::NOTHING };
        let mut intake = Intake::new(limited(bytes), expected, "put part");
        let mut part = BytesMut::new();
        while let Some(bytes) = intake.next().await? {
            part.extend_from_slice(&bytes);
        }
        let BlobDigest { size, md5, .. } = intake.finish()?;
        let key = session.key();
        let payload = part.freeze().into();
        let sent = self.bucket.send_part("put part", &key, upload, number.index(), payload).await;
        let sent = sent.map_err(|error| ended(session, error))?;
        Ok(PartReceipt { number, size, md5, tag: sent.content_id })
    }

    async fn complete_parts(
        &self,
        session: &PartSession,
        parts: &[PartReceipt],
        expected: &Expected,
    ) -> Result<BlobDigest> {
        let upload = upload_of("complete parts", session)?;
        let parts: Vec<_> = in_order(parts)?.into_iter().cloned().collect();
        let key = session.key();
        self.bucket.check_free("complete parts", &key).await?;
        // The sizes come from outside and are compared below.
        let size = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.size));
        let ids = parts.iter().map(|part| PartId { content_id: part.tag.clone() }).collect();
        let completed =
            self.bucket.complete_upload("complete parts", &key, upload, ids, size).await;
        completed.map_err(|error| ended(session, error))?;
        self.prove(&key, parts, expected).await
    }

    async fn abort_parts(&self, session: &PartSession) -> Result<()> {
        let upload = upload_of("abort parts", session)?;
        self.bucket.abort_upload("abort parts", &session.key(), upload).await
    }

    async fn remove_leftovers(&self, _untouched_for: Duration) -> Result<u64> {
        Ok(0)
    }
}
