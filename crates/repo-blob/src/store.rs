//! The contract of every store of blobs.

use std::fmt;
use std::num::NonZeroU16;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use repo_core::{ErrorKind, Result, Timestamp};

use crate::digest::{BlobDigest, Expected, Hasher, Md5};
use crate::key::BlobKey;
use crate::parts::{PartNumber, PartReceipt, PartSession};
use crate::range::ByteRange;

/// Bytes that come one after another. An error ends them.
pub type ByteStream<'a> = BoxStream<'a, Result<Bytes>>;

/// Bytes under random keys. A blob is written once, whole or not at all, and never changed.
///
/// Every call that writes has bounded memory, whatever the size of a blob: four blocks of
/// 8 MiB, or one part of [`MAX_PART_BYTES`](crate::MAX_PART_BYTES).
///
/// # Errors
/// Besides those of each method: `Unavailable` where the store is throttled, does not answer
/// or fails, after a bounded number of tries, and nothing was applied; `OutcomeUnknown` where
/// the answer to a write was lost: look whether the key is there, or delete it;
/// `PermissionDenied` where the store or the system refuses access; `Foreign` for a link, a
/// folder or a device in the place of a blob.
#[async_trait]
pub trait BlobStore: fmt::Debug + Send + Sync {
    /// Where the blobs are, without credentials.
    fn location(&self) -> String;

    /// Stores the bytes of a stream, and says what they were. They are hashed while they pass.
    ///
    /// Nothing is left behind by a stream that fails, and nothing by a call that is dropped,
    /// except what [`remove_leftovers`](Self::remove_leftovers) finds. Of calls with one key
    /// at most one succeeds. An object store cannot promise that for more than 8 MiB: there
    /// the key is looked for before the bytes are sent. Random keys make that enough.
    ///
    /// # Errors
    /// - `AlreadyExists` if the key is taken. What is there stays as it is.
    /// - `Invalid` if size or digest are not as expected; `differs` in the context says which.
    /// - `LimitExceeded` above 78 GiB in an object store.
    /// - The error of the stream, as it is.
    async fn put(
        &self,
        key: &BlobKey,
        bytes: ByteStream<'_>,
        expected: &Expected,
    ) -> Result<BlobDigest>;

    /// Reads a blob, or a range of it.
    ///
    /// # Errors
    /// `NotFound`, and `Invalid` for a range that the blob ends before, with its `size`. The
    /// stream ends with `Corrupt` if there are fewer bytes than there should be.
    async fn get(&self, key: &BlobKey, range: ByteRange) -> Result<Blob>;

    /// What is known of a blob without reading it.
    ///
    /// # Errors
    /// `NotFound`.
    async fn head(&self, key: &BlobKey) -> Result<BlobMeta>;

    /// Removes a blob. One that is not there is removed already.
    ///
    /// # Errors
    /// Those of every call.
    async fn delete(&self, key: &BlobKey) -> Result<()>;

    /// The blobs behind `after` in the order of their keys, at most `limit`. Fewer than
    /// `limit` are the last ones. What has no key for its name is left out.
    ///
    /// # Errors
    /// Those of every call.
    async fn list(&self, after: Option<&BlobKey>, limit: PageLimit) -> Result<Vec<BlobEntry>>;

    /// Begins a blob that arrives in parts.
    ///
    /// # Errors
    /// `AlreadyExists` if the key is taken.
    async fn begin_parts(&self, key: &BlobKey) -> Result<PartSession>;

    /// Stores a part, durably. Parts come in any order, several at once, and again: the
    /// receipts say which of one number counts, and the store may keep the last one alone.
    ///
    /// # Errors
    /// - `Invalid` if the MD5 is not the expected one; the part stays as it was.
    /// - `LimitExceeded` above [`MAX_PART_BYTES`](crate::MAX_PART_BYTES).
    /// - `NotFound` if the session has ended.
    async fn put_part(
        &self,
        session: &PartSession,
        number: PartNumber,
        bytes: ByteStream<'_>,
        expected: Option<Md5>,
    ) -> Result<PartReceipt>;

    /// Joins the parts to the blob, and ends the session. The whole is read and hashed once.
    ///
    /// # Errors
    /// - `Invalid` if a part is missing, or is not what its receipt says: the session goes
    ///   on in a folder; in an object store it may have ended. So it is for `Invalid` where
    ///   the whole is not as expected. There is no blob then.
    /// - `Invalid` in S3 if a part other than the last has less than 5 MiB.
    /// - `AlreadyExists` if the key is taken. `NotFound` if the session has ended.
    async fn complete_parts(
        &self,
        session: &PartSession,
        parts: &[PartReceipt],
        expected: &Expected,
    ) -> Result<BlobDigest>;

    /// Ends a session and removes its parts. One that has ended stays so.
    ///
    /// # Errors
    /// Those of every call.
    async fn abort_parts(&self, session: &PartSession) -> Result<()>;

    /// Removes what killed processes left half written and nobody has touched for that long,
    /// and says how many files. Take longer than the longest upload. An object store keeps
    /// such uploads where they cannot be listed: it has a rule for that
    /// (`AbortIncompleteMultipartUpload`), and the answer is 0.
    ///
    /// # Errors
    /// Those of every call.
    async fn remove_leftovers(&self, untouched_for: Duration) -> Result<u64>;

    /// Reads a blob and compares it.
    ///
    /// # Errors
    /// `Corrupt` if size or digest differ; `differs` in the context says which. `NotFound`.
    async fn verify(&self, key: &BlobKey, expected: &BlobDigest) -> Result<()> {
        self.check(key, &Expected::from(*expected)).await.map(drop)
    }

    /// Reads a blob, compares what is known of it, and says what was read.
    ///
    /// # Errors
    /// Those of [`verify`](Self::verify).
    async fn check(&self, key: &BlobKey, expected: &Expected) -> Result<BlobDigest> {
        let mut blob = self.get(key, ByteRange::WHOLE).await?;
        let mut hasher = Hasher::default();
        while let Some(bytes) = blob.bytes.try_next().await? {
            hasher.update(&bytes);
        }
        let found = hasher.finish();
        match expected.differs(&found) {
            None => Ok(found),
            Some(difference) => {
                Err(difference.error(ErrorKind::Corrupt, "verify").with("key", key))
            }
        }
    }
}

/// A blob that is being read.
pub struct Blob {
    /// What is known of the whole blob.
    pub meta: BlobMeta,
    /// Which bytes of it are read.
    pub range: Range<u64>,
    /// Those bytes.
    pub bytes: ByteStream<'static>,
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob")
            .field("meta", &self.meta)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// What a store knows of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobMeta {
    /// Bytes.
    pub size: u64,
    /// When it was written, by the clock of the store.
    pub modified: Timestamp,
}

/// A blob in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its key.
    pub key: BlobKey,
    /// What is known of it.
    pub meta: BlobMeta,
}

/// How many blobs a list holds at most: 1 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit(NonZeroU16);

impl PageLimit {
    /// The most.
    pub const MAX: Self = Self(NonZeroU16::new(1_000).unwrap());

    /// A limit; above the most it is the most, and 0 is 1.
    #[must_use]
    pub fn clamped(limit: usize) -> Self {
        let limit = u16::try_from(limit).unwrap_or(u16::MAX).min(Self::MAX.0.get());
        Self(NonZeroU16::new(limit).unwrap_or(NonZeroU16::MIN))
    }

    /// The limit.
    #[must_use]
    pub fn get(self) -> usize {
        usize::from(self.0.get())
    }
}
