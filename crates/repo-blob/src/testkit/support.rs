//! What the behaviours share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use repo_core::{Error, ErrorKind, Result};
use tokio::sync::Notify;

use crate::digest::{BlobDigest, Expected};
use crate::key::BlobKey;
use crate::range::ByteRange;
use crate::store::{BlobStore, ByteStream, PageLimit};
use crate::testkit::place::BlobPlace;

/// A mebibyte.
pub(super) const MIB: usize = 1024 * 1024;

/// A place and a handle of its store.
pub struct Fixture {
    place: Box<dyn BlobPlace>,
    pub(super) blobs: Arc<dyn BlobStore>,
}

impl Fixture {
    /// Opens the store of a place.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub async fn new(place: impl BlobPlace + 'static) -> Self {
        let blobs = place.open().await.expect("the store of the place is opened");
        Self { place: Box::new(place), blobs }
    }

    pub(super) fn place(&self) -> &dyn BlobPlace {
        &*self.place
    }

    /// A second handle.
    pub(super) async fn reopen(&self) -> Arc<dyn BlobStore> {
        self.place.open().await.unwrap()
    }

    pub(super) async fn put(&self, key: &BlobKey, bytes: &Bytes) -> Result<BlobDigest> {
        self.blobs.put(key, chunks(bytes), &Expected::NOTHING).await
    }

    pub(super) async fn read(&self, key: &BlobKey, range: ByteRange) -> Result<Bytes> {
        let blob = self.blobs.get(key, range).await?;
        let chunks: Vec<Bytes> = blob.bytes.try_collect().await?;
        Ok(chunks.concat().into())
    }

    /// Nothing is found under the key, in the list, or beside the blobs. What a dropped call
    /// leaves goes in the background, so it is waited for.
    pub(super) async fn assert_nothing_left(&self, key: &BlobKey) {
        let found = self.blobs.head(key).await;
        assert_eq!(found.unwrap_err().kind(), ErrorKind::NotFound);
        let listed = self.blobs.list(None, PageLimit::MAX).await.unwrap();
        assert!(listed.iter().all(|entry| entry.key != *key));
        for _ in 0..500 {
            if self.place.leftovers().await.is_none_or(|count| count == 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("files are left behind");
    }
}

/// A random key.
pub(super) fn key() -> BlobKey {
    BlobKey::random().unwrap()
}

/// Bytes without a pattern, the same for the same seed.
pub(super) fn bytes(length: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// A stream of them, in chunks whose size is no power of two.
pub(super) fn chunks(bytes: &Bytes) -> ByteStream<'static> {
    const CHUNK: usize = 100_003;
    let chunks: Vec<_> = (0..bytes.len())
        .step_by(CHUNK)
        .map(|start| Ok(bytes.slice(start..bytes.len().min(start + CHUNK))))
        .collect();
    stream::iter(chunks).boxed()
}

/// A stream that ends with an error behind the bytes.
pub(super) fn broken(bytes: &Bytes) -> ByteStream<'static> {
    let error = Error::new(ErrorKind::Unavailable, "receive", "the client went away");
    chunks(bytes).chain(stream::iter([Err(error)])).boxed()
}

/// A stream that never ends behind the bytes, and what is told when all of them were taken.
pub(super) fn stuck(bytes: &Bytes) -> (ByteStream<'static>, Arc<Notify>) {
    let taken = Arc::new(Notify::new());
    let tell = Arc::clone(&taken);
    let end = stream::once(async move {
        tell.notify_one();
        future::pending().await
    });
    (chunks(bytes).chain(end).boxed(), taken)
}

/// What an expectation with one thing wrong is called, and the expectation.
pub(super) fn wrong_expectations(right: &BlobDigest) -> Vec<(&'static str, Expected)> {
    let other = BlobDigest::of(b"other bytes");
    let right = Expected::from(*right);
    vec![
        ("size", Expected { size: right.size.map(|size| size + 1), ..right }),
        ("size", Expected { size: right.size.map(|size| size - 1), ..right }),
        ("sha256", Expected { sha256: Some(other.sha256), ..right }),
        ("md5", Expected { md5: Some(other.md5), ..right }),
    ]
}
