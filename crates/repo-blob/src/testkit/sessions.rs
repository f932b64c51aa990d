//! Blobs that arrive in parts.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use repo_core::{ErrorKind, Result};

use crate::digest::{BlobDigest, Expected, Md5};
use crate::parts::{MAX_PART_BYTES, PartNumber, PartReceipt, PartSession};
use crate::range::ByteRange;
use crate::testkit::support::{Fixture, MIB, broken, bytes, chunks, key, wrong_expectations};

/// The least that S3 takes for a part that is not the last.
const PART: usize = 5 * MIB;

async fn store(f: &Fixture, session: &PartSession, number: u16, part: &Bytes) -> PartReceipt {
    let md5 = BlobDigest::of(part).md5;
    let number = PartNumber::new(number).unwrap();
    let receipt = f.blobs.put_part(session, number, chunks(part), Some(md5)).await.unwrap();
    assert_eq!((receipt.number, receipt.size, receipt.md5), (number, part.len() as u64, md5));
    receipt
}

async fn begin(f: &Fixture) -> PartSession {
    f.blobs.begin_parts(&key()).await.unwrap()
}

async fn complete(f: &Fixture, session: &PartSession, parts: &[PartReceipt]) -> Result<BlobDigest> {
    f.blobs.complete_parts(session, parts, &Expected::NOTHING).await
}

/// Parts come in any order; the blob has them in the order of their numbers.
pub async fn parts_are_joined_by_their_numbers(f: Fixture) {
    let whole = bytes(2 * PART + 7, 11);
    let digest = BlobDigest::of(&whole);
    let session = begin(&f).await;
    let third = store(&f, &session, 3, &whole.slice(2 * PART..)).await;
    let first = store(&f, &session, 1, &whole.slice(..PART)).await;
    let second = store(&f, &session, 2, &whole.slice(PART..2 * PART)).await;
    assert_eq!(f.blobs.head(&session.key()).await.unwrap_err().kind(), ErrorKind::NotFound);
    let parts = [second, third, first];
    let joined = f.blobs.complete_parts(&session, &parts, &digest.into()).await.unwrap();
    assert_eq!(joined, digest);
    assert!(f.read(&session.key(), ByteRange::WHOLE).await.unwrap() == whole);
    assert!(f.place().leftovers().await.is_none_or(|count| count == 0));
    // It has ended.
    let again = complete(&f, &session, &parts).await.unwrap_err().kind();
    assert!(matches!(again, ErrorKind::NotFound | ErrorKind::AlreadyExists));
    f.blobs.abort_parts(&session).await.unwrap();
    f.blobs.verify(&session.key(), &digest).await.unwrap();
}

/// A part may be replaced. With the receipt of the earlier one there is the earlier part or
/// none, never the later one.
pub async fn a_part_may_come_again(f: Fixture) {
    let (old, new) = (bytes(1000, 12), bytes(1000, 13));
    let session = begin(&f).await;
    store(&f, &session, 1, &old).await;
    let receipt = store(&f, &session, 1, &new).await;
    assert_eq!(complete(&f, &session, &[receipt]).await.unwrap(), BlobDigest::of(&new));

    let session = begin(&f).await;
    let receipt = store(&f, &session, 1, &old).await;
    store(&f, &session, 1, &new).await;
    // A store may keep both.
    match complete(&f, &session, &[receipt]).await {
        Ok(joined) => assert_eq!(joined, BlobDigest::of(&old)),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
            f.blobs.abort_parts(&session).await.unwrap();
            f.assert_nothing_left(&session.key()).await;
        }
    }
}

/// A part with another MD5 than expected, or whose stream fails, changes nothing.
pub async fn a_bad_part_changes_nothing(f: Fixture) {
    let good = bytes(1000, 14);
    let session = begin(&f).await;
    let receipt = store(&f, &session, 1, &good).await;
    let wrong = Some(Md5::from_bytes([0; 16]));
    let put = |bytes, md5| f.blobs.put_part(&session, PartNumber::FIRST, bytes, md5);
    let error = put(chunks(&bytes(1000, 15)), wrong).await.unwrap_err();
    assert_eq!((error.kind(), error.context_value("differs")), (ErrorKind::Invalid, Some("md5")));
    assert_eq!(put(broken(&good), None).await.unwrap_err().operation(), "receive");
    assert_eq!(complete(&f, &session, &[receipt]).await.unwrap(), BlobDigest::of(&good));
    assert!(f.place().leftovers().await.is_none_or(|count| count == 0));
}

/// A gap is named, and the session goes on.
pub async fn a_missing_part_is_named(f: Fixture) {
    let whole = bytes(2 * PART + 1, 16);
    let session = begin(&f).await;
    let first = store(&f, &session, 1, &whole.slice(..PART)).await;
    let third = store(&f, &session, 3, &whole.slice(2 * PART..)).await;
    for parts in [vec![first.clone(), third.clone()], vec![third.clone()], vec![]] {
        let error = complete(&f, &session, &parts).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let missing = if parts.len() == 2 { "2" } else { "1" };
        assert_eq!(error.context_value("part"), Some(missing));
    }
    let second = store(&f, &session, 2, &whole.slice(PART..2 * PART)).await;
    let joined = complete(&f, &session, &[first, second, third]).await.unwrap();
    assert_eq!(joined, BlobDigest::of(&whole));
}

/// A whole that is not as expected is no blob.
pub async fn an_unexpected_whole_leaves_no_blob(f: Fixture) {
    let bytes = bytes(1000, 17);
    for (differs, expected) in wrong_expectations(&BlobDigest::of(&bytes)) {
        let session = begin(&f).await;
        let receipt = store(&f, &session, 1, &bytes).await;
        let error = f.blobs.complete_parts(&session, &[receipt], &expected).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.context_value("differs"), Some(differs));
        f.blobs.abort_parts(&session).await.unwrap();
        f.assert_nothing_left(&session.key()).await;
    }
}

/// A session that was given up is gone with its parts; giving it up again changes nothing.
pub async fn a_session_is_given_up_twice(f: Fixture) {
    let session = begin(&f).await;
    let receipt = store(&f, &session, 1, &bytes(1000, 18)).await;
    f.blobs.abort_parts(&session).await.unwrap();
    f.blobs.abort_parts(&session).await.unwrap();
    f.assert_nothing_left(&session.key()).await;
    let part = f.blobs.put_part(&session, PartNumber::FIRST, chunks(&bytes(10, 0)), None).await;
    assert_eq!(part.unwrap_err().kind(), ErrorKind::NotFound);
    let error = complete(&f, &session, &[receipt]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
}

/// A session and its receipts are JSON, and another handle goes on with them.
pub async fn a_session_outlives_its_handle(f: Fixture) {
    let bytes = bytes(1000, 19);
    let session = begin(&f).await;
    let receipt = store(&f, &session, 1, &bytes).await;
    let json = serde_json::to_string(&(&session, &receipt)).unwrap();
    let (session, receipt): (PartSession, PartReceipt) = serde_json::from_str(&json).unwrap();
    let other = f.reopen().await;
    let joined = other.complete_parts(&session, &[receipt], &Expected::NOTHING).await.unwrap();
    assert_eq!(joined, BlobDigest::of(&bytes));
}

/// A session never replaces a blob, whether that was there before or came meanwhile.
pub async fn a_session_replaces_nothing(f: Fixture) {
    let bytes = bytes(1000, 20);
    let session = begin(&f).await;
    let receipt = store(&f, &session, 1, &bytes).await;
    let digest = f.put(&session.key(), &bytes.slice(1..)).await.unwrap();
    let error = complete(&f, &session, &[receipt]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let begun = f.blobs.begin_parts(&session.key()).await;
    assert_eq!(begun.unwrap_err().kind(), ErrorKind::AlreadyExists);
    f.blobs.abort_parts(&session).await.unwrap();
    f.blobs.verify(&session.key(), &digest).await.unwrap();
}

/// A blob in one empty part is empty.
pub async fn a_part_may_be_empty(f: Fixture) {
    let session = begin(&f).await;
    let receipt = store(&f, &session, 1, &Bytes::new()).await;
    assert_eq!(complete(&f, &session, &[receipt]).await.unwrap(), BlobDigest::of(b""));
}

/// A part above the limit is refused when the limit is reached.
pub async fn a_part_has_a_limit(f: Fixture) {
    let session = begin(&f).await;
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[0; MIB]))).boxed();
    let part = f.blobs.put_part(&session, PartNumber::FIRST, endless, None).await;
    let error = part.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert_eq!(error.context_value("most"), Some(&*MAX_PART_BYTES.to_string()));
    f.blobs.abort_parts(&session).await.unwrap();
}
