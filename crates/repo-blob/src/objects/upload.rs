//! Bytes on their way into an object.

use bytes::Bytes;
use object_store::multipart::PartId;
use repo_core::{Error, ErrorKind, Result};
use tokio::task::JoinSet;

use crate::digest::BlobDigest;
use crate::key::BlobKey;
use crate::objects::bucket::Bucket;
use crate::parts::MAX_PARTS;
use crate::stream::{Blocks, Intake};

/// Bytes of a part. What is not larger is one request.
pub(super) const BLOCK: usize = 8 * 1024 * 1024;

/// Parts that are sent while another one is filled: four are in memory.
const UNDER_WAY: usize = 3;

/// Stores a stream: in one conditional request if it is small, else in parts.
pub(super) async fn put(bucket: &Bucket, key: &BlobKey, intake: Intake<'_>) -> Result<BlobDigest> {
    let mut blocks = Blocks::new(intake, BLOCK);
    let first = blocks.next().await?.unwrap_or_default();
    let second = if first.len() < BLOCK { None } else { blocks.next().await? };
    let Some(second) = second else {
        let digest = blocks.finish()?;
        bucket.create(key, first.into()).await?;
        return Ok(digest);
    };
    // S3 completes an upload without looking whether the key was taken meanwhile.
    bucket.check_free("put", key).await?;
    let mut upload = Upload::begin(bucket, key).await?;
    match upload.send_all([first, second], blocks).await {
        Ok(digest) => upload.complete(digest).await,
        Err(error) => {
            upload.abort().await;
            Err(error)
        }
    }
}

/// A multipart upload of this call. It is aborted when the call fails or is dropped.
struct Upload {
    bucket: Bucket,
    key: BlobKey,
    /// Nothing when the upload has ended.
    id: Option<String>,
    parts: Vec<Option<PartId>>,
    tasks: JoinSet<Result<(usize, PartId)>>,
}

impl Upload {
    async fn begin(bucket: &Bucket, key: &BlobKey) -> Result<Self> {
        let id = bucket.begin_upload("put", key).await?;
        Ok(Self {
            bucket: bucket.clone(),
            key: *key,
            id: Some(id),
            parts: Vec::new(),
            tasks: JoinSet::new(),
        })
    }

    async fn send_all(&mut self, first: [Bytes; 2], mut blocks: Blocks<'_>) -> Result<BlobDigest> {
        for block in first {
            self.send(block).await?;
        }
        while let Some(block) = blocks.next().await? {
            self.send(block).await?;
        }
        while self.join_one().await? {}
        blocks.finish()
    }

    /// Sends a part in the background, once fewer than the most are under way.
    async fn send(&mut self, block: Bytes) -> Result<()> {
        let index = self.parts.len();
        if index >= usize::from(MAX_PARTS) {
            let message = "the blob is larger than an object in parts can be";
            return Err(Error::new(ErrorKind::LimitExceeded, "put", message)
                .with("most", u64::from(MAX_PARTS) * BLOCK as u64));
        }
        let Some(id) = self.id.clone() else { return Ok(()) };
        self.parts.push(None);
        let (bucket, key) = (self.bucket.clone(), self.key);
        self.tasks.spawn(async move {
            let sent = bucket.send_part("put", &key, &id, index, block.into()).await?;
            Ok((index, sent))
        });
        while self.tasks.len() > UNDER_WAY {
            self.join_one().await?;
        }
        Ok(())
    }

    /// Waits for a part; false where none is under way.
    async fn join_one(&mut self) -> Result<bool> {
        let Some(joined) = self.tasks.join_next().await else { return Ok(false) };
        let (index, part) = joined.unwrap_or_else(|error| {
            let message = "the sending of a part was ended from outside";
            Err(Error::new(ErrorKind::Unexpected, "put", message).caused_by(error))
        })?;
        if let Some(slot) = self.parts.get_mut(index) {
            *slot = Some(part);
        }
        Ok(true)
    }

    async fn complete(mut self, digest: BlobDigest) -> Result<BlobDigest> {
        let parts = std::mem::take(&mut self.parts).into_iter().flatten().collect();
        let Some(id) = self.id.clone() else { return Ok(digest) };
        let completed =
            self.bucket.complete_upload("put", &self.key, &id, parts, digest.size).await;
        match completed {
            Ok(()) => {
                self.id = None;
                Ok(digest)
            }
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    /// Ends the upload. Its error would hide the one that led here; what stays is a matter of
    /// the rule of the bucket.
    async fn abort(mut self) {
        self.tasks.shutdown().await;
        if let Some(id) = self.id.take() {
            let _ = self.bucket.abort_upload("put", &self.key, &id).await;
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let (bucket, key, mut tasks) =
            (self.bucket.clone(), self.key, std::mem::take(&mut self.tasks));
        runtime.spawn(async move {
            tasks.shutdown().await;
            let _ = bucket.abort_upload("put", &key, &id).await;
        });
    }
}
