//! Writing whole blobs.

use std::pin::pin;

use bytes::Bytes;
use futures_util::future::{Either, join_all, select};
use futures_util::{StreamExt as _, stream};
use repo_core::ErrorKind;

use crate::digest::{BlobDigest, Expected};
use crate::range::ByteRange;
use crate::testkit::support::{
    Fixture, MIB, broken, bytes, chunks, key, stuck, wrong_expectations,
};

/// What was written is read, and its digests are right.
pub async fn any_size_is_read_as_it_was_written(f: Fixture) {
    for length in [0, 3, 5 * MIB, 8 * MIB, 20 * MIB + 7] {
        let (key, bytes) = (key(), bytes(length, length as u64));
        let digest = BlobDigest::of(&bytes);
        let put = f.blobs.put(&key, chunks(&bytes), &digest.into()).await.unwrap();
        assert_eq!(put, digest, "{length}");
        assert_eq!(f.blobs.head(&key).await.unwrap().size, digest.size);
        assert!(f.read(&key, ByteRange::WHOLE).await.unwrap() == bytes, "{length}");
        f.blobs.verify(&key, &digest).await.unwrap();
    }
}

/// A blob stays what it is, also when a large one comes for its key.
pub async fn a_key_is_written_once(f: Fixture) {
    let (key, first) = (key(), bytes(1000, 1));
    f.put(&key, &first).await.unwrap();
    for length in [0, 1000, 9 * MIB] {
        let error = f.put(&key, &bytes(length, 2)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{length}");
    }
    assert_eq!(f.read(&key, ByteRange::WHOLE).await.unwrap(), first);
}

/// Of eight at once exactly one succeeds, and its bytes are there.
pub async fn one_of_many_writes_a_key(f: Fixture) {
    for round in 0..f.place().races() {
        let key = key();
        let all: Vec<_> = (0..8).map(|writer| bytes(1000 + writer, 8 * round + 1)).collect();
        let puts = join_all(all.iter().map(|bytes| f.put(&key, bytes))).await;
        let mut winners = Vec::new();
        for (put, bytes) in puts.iter().zip(&all) {
            match put {
                Ok(_) => winners.push(bytes),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
            }
        }
        assert_eq!(winners.len(), 1);
        assert!(f.read(&key, ByteRange::WHOLE).await.unwrap() == winners[0]);
        assert!(f.place().leftovers().await.is_none_or(|count| count == 0));
    }
}

/// A wrong size or digest is named, and there is no blob.
pub async fn what_is_not_expected_leaves_nothing(f: Fixture) {
    for length in [3, 9 * MIB] {
        let bytes = bytes(length, 3);
        for (differs, expected) in wrong_expectations(&BlobDigest::of(&bytes)) {
            let key = key();
            let error = f.blobs.put(&key, chunks(&bytes), &expected).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert_eq!(error.context_value("differs"), Some(differs), "{length}");
            f.assert_nothing_left(&key).await;
            // The key is free still.
            if length == 3 {
                f.put(&key, &bytes).await.unwrap();
            }
        }
    }
}

/// The error of the stream comes out as it is, and there is no blob.
pub async fn a_stream_that_fails_leaves_nothing(f: Fixture) {
    for length in [0, 3, 20 * MIB] {
        let key = key();
        let put = f.blobs.put(&key, broken(&bytes(length, 4)), &Expected::NOTHING).await;
        let error = put.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Unavailable, "receive"));
        f.assert_nothing_left(&key).await;
    }
}

/// A call that is dropped while it waits for bytes leaves nothing.
pub async fn a_dropped_call_leaves_nothing(f: Fixture) {
    for length in [3, 20 * MIB] {
        let key = key();
        let (stuck, taken) = stuck(&bytes(length, 5));
        let put = f.blobs.put(&key, stuck, &Expected::NOTHING);
        // Both are dropped with the answer.
        let dropped = {
            let taken = pin!(taken.notified());
            matches!(select(put, taken).await, Either::Right(_))
        };
        assert!(dropped);
        f.assert_nothing_left(&key).await;
    }
}

/// Empty chunks change nothing.
pub async fn chunks_may_be_empty(f: Fixture) {
    let (key, empty) = (key(), || Ok(Bytes::new()));
    let chunks =
        [empty(), Ok(Bytes::from_static(b"a")), empty(), Ok(Bytes::from_static(b"b")), empty()];
    let put = f.blobs.put(&key, stream::iter(chunks).boxed(), &Expected::NOTHING).await;
    assert_eq!(put.unwrap(), BlobDigest::of(b"ab"));
}
