//! Reading, removing, listing.

use futures_util::{StreamExt as _, stream};
use repo_core::{ErrorKind, Result};

use crate::digest::BlobDigest;
use crate::range::ByteRange;
use crate::store::PageLimit;
use crate::testkit::support::{Fixture, bytes, key};

/// Each range is the slice that it names; behind the end it is `Invalid`, with the size.
pub async fn ranges_are_slices(f: Fixture) {
    let (key, bytes) = (key(), bytes(600_000, 6));
    f.put(&key, &bytes).await.unwrap();
    let size = bytes.len() as u64;
    let ranges = [
        (ByteRange::WHOLE, 0..600_000),
        (ByteRange::from(0), 0..600_000),
        (ByteRange::from(599_999), 599_999..600_000),
        (ByteRange::between(0, 1).unwrap(), 0..1),
        (ByteRange::between(262_143, 262_145).unwrap(), 262_143..262_145),
        (ByteRange::between(10, u64::MAX).unwrap(), 10..600_000),
        (ByteRange::last(7).unwrap(), 599_993..600_000),
        (ByteRange::last(700_000).unwrap(), 0..600_000),
    ];
    for (range, meant) in ranges {
        let blob = f.blobs.get(&key, range).await.unwrap();
        assert_eq!((blob.meta.size, blob.range.start), (size, meant.start as u64), "{range:?}");
        assert_eq!(blob.range.end, meant.end as u64, "{range:?}");
        assert!(f.read(&key, range).await.unwrap() == bytes.slice(meant), "{range:?}");
    }
    for range in [ByteRange::from(size), ByteRange::between(size + 5, size + 6).unwrap()] {
        let error = f.blobs.get(&key, range).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.context_value("size"), Some("600000"));
    }
}

/// An empty blob is read whole; no range of it has a byte.
pub async fn an_empty_blob_has_no_range(f: Fixture) {
    let key = key();
    f.put(&key, &bytes(0, 0)).await.unwrap();
    assert!(f.read(&key, ByteRange::WHOLE).await.unwrap().is_empty());
    for range in
        [ByteRange::from(0), ByteRange::last(1).unwrap(), ByteRange::between(0, 1).unwrap()]
    {
        let error = f.blobs.get(&key, range).await.unwrap_err();
        assert_eq!((error.kind(), error.context_value("size")), (ErrorKind::Invalid, Some("0")));
    }
}

/// What is not there is `NotFound`, whoever asks.
pub async fn a_missing_blob_is_not_found(f: Fixture) {
    let key = key();
    fn kind<T>(answer: Result<T>) -> ErrorKind {
        answer.map(drop).unwrap_err().kind()
    }
    assert_eq!(kind(f.blobs.get(&key, ByteRange::WHOLE).await), ErrorKind::NotFound);
    assert_eq!(kind(f.blobs.get(&key, ByteRange::from(3)).await), ErrorKind::NotFound);
    assert_eq!(kind(f.blobs.head(&key).await), ErrorKind::NotFound);
    assert_eq!(kind(f.blobs.verify(&key, &BlobDigest::of(b"")).await), ErrorKind::NotFound);
}

/// A blob that is removed is gone, and may be removed again. Its key is free.
pub async fn a_blob_is_removed_twice(f: Fixture) {
    let (key, bytes) = (key(), bytes(10, 7));
    f.blobs.delete(&key).await.unwrap();
    f.put(&key, &bytes).await.unwrap();
    f.blobs.delete(&key).await.unwrap();
    f.blobs.delete(&key).await.unwrap();
    f.assert_nothing_left(&key).await;
    f.put(&key, &bytes).await.unwrap();
}

/// A bit that flipped is found, and so is another blob than expected.
pub async fn verify_finds_what_differs(f: Fixture) {
    let (key, bytes) = (key(), bytes(300_000, 8));
    let digest = f.put(&key, &bytes).await.unwrap();
    f.blobs.verify(&key, &digest).await.unwrap();
    let longer = BlobDigest { size: digest.size + 1, ..digest };
    let error = f.blobs.verify(&key, &longer).await.unwrap_err();
    assert_eq!((error.kind(), error.context_value("differs")), (ErrorKind::Corrupt, Some("size")));
    if f.place().spoil(&key).await {
        let error = f.blobs.verify(&key, &digest).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.context_value("differs"), Some("sha256"));
    }
}

/// Pages together are all blobs, in the order of their keys, once each.
pub async fn pages_of_a_list_are_complete(f: Fixture) {
    let mut written: Vec<_> = (0..f.place().many()).map(|length| (key(), length % 3)).collect();
    let puts = stream::iter(&written)
        .map(|(key, length)| async { f.put(key, &bytes(*length, 9)).await.unwrap() });
    puts.buffer_unordered(16).for_each(|_| async {}).await;
    written.sort();
    for limit in [PageLimit::MAX, PageLimit::clamped(written.len().div_ceil(7))] {
        let mut listed = Vec::new();
        loop {
            let after = listed.last().map(|(key, _)| *key);
            let page = f.blobs.list(after.as_ref(), limit).await.unwrap();
            assert!(page.len() <= limit.get());
            listed.extend(page.iter().map(|entry| (entry.key, entry.meta.size as usize)));
            if page.len() < limit.get() {
                break;
            }
        }
        assert!(listed == written, "{} of {}", listed.len(), written.len());
    }
}

/// A new handle finds what another one wrote.
pub async fn every_handle_sees_the_same(f: Fixture) {
    let (key, bytes) = (key(), bytes(10, 10));
    let other = f.reopen().await;
    f.put(&key, &bytes).await.unwrap();
    assert_eq!(other.head(&key).await.unwrap(), f.blobs.head(&key).await.unwrap());
    other.delete(&key).await.unwrap();
    f.assert_nothing_left(&key).await;
}
