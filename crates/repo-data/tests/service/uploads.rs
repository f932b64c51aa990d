//! Uploads: ranges, parts, pieces; repeated, broken off, wrong, too large, resumed.

use crate::common::invariants::holds_in_the_end;
use crate::common::story::{entry, piece};
use crate::common::{DAY, HOUR, Place, bytes, id, read};
use bytes::Bytes;
use fs2::FileExt;
use futures_util::{StreamExt as _, stream};
use repo_blob::{BlobDigest, BlobKey, ByteRange, Md5, PartNumber};
use repo_core::{Error, ErrorKind};
use repo_data::model::{EntryStatus, UploadKind};
use repo_data::{Checksum, DataOptions, DataService, NewContent, NewUpload, Piece, Refusal, Step};

async fn begun(service: &DataService, kind: UploadKind) -> BlobKey {
    service.create_entry(entry("a", NewContent::File)).await.unwrap();
    service.begin_upload(&NewUpload::new(id("a"), kind)).await.unwrap().value.id
}

async fn content(service: &DataService) -> Vec<u8> {
    service.activate_entry(&id("a"), None).await.unwrap();
    read(service.open_entry(&id("a"), ByteRange::WHOLE).await.unwrap()).await
}

fn refusal(error: &Error) -> Option<Refusal> {
    Refusal::of(error)
}

#[tokio::test]
async fn ranges_may_repeat_and_not_run_ahead() {
    let place = Place::memory().await;
    let service = place.open().await;
    let upload = begun(&service, UploadKind::Gcs).await;
    let first = service.append(&upload, piece(0, None, b"0123456789")).await.unwrap();
    assert_eq!((first.accepted, first.offset, first.total), (true, 10, None));
    let again = service.append(&upload, piece(0, None, b"0123456789")).await.unwrap();
    assert_eq!((again.accepted, again.offset), (true, 10));
    let ahead = service.append(&upload, piece(12, None, b"xx")).await.unwrap();
    assert_eq!((ahead.accepted, ahead.offset), (false, 10));
    let refused = service.activate_entry(&id("a"), None).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(Refusal::NotUploaded));
    // It overlaps what is there.
    let end = service.append(&upload, piece(8, Some(13), b"89abc")).await.unwrap();
    assert_eq!(end.complete, Some(BlobDigest::of(b"0123456789abc")));
    let repeated = service.append(&upload, piece(8, Some(13), b"89abc")).await.unwrap();
    assert_eq!(repeated.complete, end.complete);
    assert_eq!(content(&service).await, b"0123456789abc");
    let active = service.activate_entry(&id("a"), None).await.unwrap();
    assert_eq!((active.value.status, active.value.size), (EntryStatus::Active, 13));
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn an_empty_file_is_announced_or_only_begun() {
    for announced in [true, false] {
        let place = Place::memory().await;
        let service = place.open().await;
        let upload = begun(&service, UploadKind::Gcs).await;
        if announced {
            let end = service.append(&upload, piece(0, Some(0), b"")).await.unwrap();
            assert_eq!(end.complete, Some(BlobDigest::of(b"")));
        }
        assert_eq!(content(&service).await, b"");
        holds_in_the_end(&place).await;
    }
}

#[tokio::test]
async fn an_entry_without_an_upload_or_with_a_part_of_one_stays_pending() {
    let place = Place::memory().await;
    let service = place.open().await;
    service.create_entry(entry("a", NewContent::File)).await.unwrap();
    let refused = service.activate_entry(&id("a"), None).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(Refusal::NotUploaded));
    let upload = NewUpload { total: Some(5), ..NewUpload::new(id("a"), UploadKind::Gcs) };
    service.begin_upload(&upload).await.unwrap();
    let refused = service.activate_entry(&id("a"), None).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(Refusal::NotUploaded));
    assert_eq!(service.entry(&id("a")).await.unwrap().value.status, EntryStatus::Pending);
}

#[tokio::test]
async fn bytes_that_vanish_before_the_activation_are_missed() {
    let place = Place::memory().await;
    let service = place.open().await;
    let upload = begun(&service, UploadKind::Gcs).await;
    service.append(&upload, piece(0, Some(3), b"abc")).await.unwrap();
    let (_, store) = service.blob_stores().iter().next().unwrap();
    store.delete(&upload).await.unwrap();
    let missing = service.activate_entry(&id("a"), None).await.unwrap_err();
    assert_eq!(refusal(&missing), Some(Refusal::NotUploaded));
    store.put(&upload, bytes(b"ab"), &repo_blob::Expected::NOTHING).await.unwrap();
    let short = service.activate_entry(&id("a"), None).await.unwrap_err();
    assert_eq!(refusal(&short), Some(Refusal::NotUploaded));
}

#[tokio::test]
async fn a_wrong_digest_leaves_the_entry_pending() {
    let place = Place::memory().await;
    let service = place.open().await;
    let upload = begun(&service, UploadKind::Gcs).await;
    let wrong = Checksum::Md5(BlobDigest::of(b"other").md5);
    let sent = Piece { checksum: Some(wrong), ..piece(0, Some(3), b"abc") };
    let error = service.append(&upload, sent).await.unwrap_err();
    assert_eq!(refusal(&error), Some(Refusal::WrongDigest));
    assert_eq!(service.upload(&upload).await.unwrap().offset, 0);
    assert_eq!(service.entry(&id("a")).await.unwrap().value.status, EntryStatus::Pending);
    let right = Checksum::Md5(BlobDigest::of(b"abc").md5);
    let sent = Piece { checksum: Some(right), ..piece(0, Some(3), b"abc") };
    service.append(&upload, sent).await.unwrap();
    assert_eq!(content(&service).await, b"abc");
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn a_whole_that_is_not_as_announced_ends_its_upload() {
    let place = Place::memory().await;
    let service = place.open().await;
    service.create_entry(entry("a", NewContent::File)).await.unwrap();
    let md5 = Some(BlobDigest::of(b"abd").md5);
    let new = NewUpload { md5, ..NewUpload::new(id("a"), UploadKind::Gcs) };
    let upload = service.begin_upload(&new).await.unwrap().value.id;
    let error = service.append(&upload, piece(0, Some(3), b"abc")).await.unwrap_err();
    assert_eq!(refusal(&error), Some(Refusal::WrongDigest));
    let error = service.append(&upload, piece(0, Some(3), b"abd")).await.unwrap_err();
    assert_eq!(refusal(&error), Some(Refusal::Expired));
    let upload = service.begin_upload(&new).await.unwrap().value.id;
    service.append(&upload, piece(0, Some(3), b"abd")).await.unwrap();
    assert_eq!(content(&service).await, b"abd");
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn totals_agree_and_limit() {
    let place = Place::memory().await;
    let options = DataOptions { max_blob_bytes: 20, ..place.options() };
    let service = place.open_with(options).await;
    let upload = begun(&service, UploadKind::Gcs).await;
    let kind = |result: repo_core::Result<_>| result.map(|_: _| ()).map_err(|e: Error| e.kind());
    let more = service.append(&upload, piece(0, Some(3), b"abcd")).await;
    assert_eq!(kind(more), Err(ErrorKind::Invalid));
    service.append(&upload, piece(0, Some(5), b"abc")).await.unwrap();
    let other = service.append(&upload, piece(3, Some(6), b"def")).await;
    assert_eq!(kind(other), Err(ErrorKind::Invalid));
    let large = service.append(&upload, piece(3, Some(21), b"d")).await;
    assert_eq!(kind(large), Err(ErrorKind::LimitExceeded));
    service.append(&upload, piece(3, Some(5), b"de")).await.unwrap();
    assert_eq!(content(&service).await, b"abcde");
}

fn broken(content: &'static [u8]) -> Piece<'static> {
    let lost = Error::new(ErrorKind::Unavailable, "receive", "the connection was lost");
    let chunks = vec![Ok(Bytes::from_static(content)), Err(lost)];
    Piece { start: 0, total: None, checksum: None, bytes: stream::iter(chunks).boxed() }
}

#[tokio::test]
async fn a_piece_that_breaks_off_is_kept_only_in_tus_without_a_checksum() {
    let place = Place::memory().await;
    let service = place.open().await;
    for (kind, checksum, kept) in
        [(UploadKind::Tus, false, 3), (UploadKind::Tus, true, 0), (UploadKind::Gcs, false, 0)]
    {
        let name = format!("{kind:?}{checksum}");
        service.create_entry(entry(&name, NewContent::File)).await.unwrap();
        let new = NewUpload::new(id(&name), kind);
        let upload = service.begin_upload(&new).await.unwrap().value.id;
        let checksum = checksum.then(|| Checksum::Sha256(BlobDigest::of(b"abcdef").sha256));
        let error =
            service.append(&upload, Piece { checksum, ..broken(b"abc") }).await.unwrap_err();
        assert_eq!(error.message(), "the connection was lost");
        assert_eq!(service.upload(&upload).await.unwrap().offset, kept, "{name}");
        let rest = &b"abcdef"[usize::try_from(kept).unwrap()..];
        let end = service.append(&upload, piece(kept, Some(6), rest)).await.unwrap();
        assert_eq!(end.complete, Some(BlobDigest::of(b"abcdef")));
    }
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn tus_takes_pieces_at_the_offset_alone() {
    let place = Place::memory().await;
    let service = place.open().await;
    let upload = begun(&service, UploadKind::Tus).await;
    let sha1 = Checksum::Sha1([
        0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50, 0xc2,
        0x6c, 0x9c, 0xd0, 0xd8, 0x9d,
    ]);
    let sent = Piece { checksum: Some(sha1), ..piece(0, Some(5), b"abc") };
    service.append(&upload, sent).await.unwrap();
    for start in [0, 2, 4] {
        let answer = service.append(&upload, piece(start, Some(5), b"x")).await.unwrap();
        assert_eq!((answer.accepted, answer.offset), (false, 3));
    }
    service.append(&upload, piece(3, Some(5), b"de")).await.unwrap();
    assert_eq!(content(&service).await, b"abcde");
}

#[tokio::test]
async fn a_killed_process_resumes_from_what_was_acknowledged() {
    for step in [Step::PartSpooled, Step::BytesWritten, Step::Staged] {
        let place = Place::sqlite().await;
        let upload = begun(&place.open().await, UploadKind::Gcs).await;
        let seen = std::sync::atomic::AtomicUsize::new(0);
        let at = usize::from(step == Step::PartSpooled);
        let stopping = place
            .stopping(move |now| {
                now == step && seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == at
            })
            .await;
        stopping.append(&upload, piece(0, Some(6), b"abc")).await.unwrap();
        let stopped = stopping.append(&upload, piece(3, Some(6), b"def")).await.unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Closed);
        let service = place.open().await;
        let there = service.upload(&upload).await.unwrap().offset;
        assert_eq!(there, if step == Step::PartSpooled { 3 } else { 6 });
        // The client does not know what became of its range, and sends it again.
        let end = service.append(&upload, piece(3, Some(6), b"def")).await.unwrap();
        assert_eq!(end.complete, Some(BlobDigest::of(b"abcdef")), "{step:?}");
        assert_eq!(content(&service).await, b"abcdef");
        holds_in_the_end(&place).await;
    }
}

#[tokio::test]
async fn what_another_machine_spooled_is_missed() {
    let place = Place::memory().await;
    let service = place.open().await;
    let upload = begun(&service, UploadKind::Gcs).await;
    service.append(&upload, piece(0, Some(6), b"abc")).await.unwrap();
    std::fs::remove_file(place.spool().join(upload.to_string())).unwrap();
    let error = service.append(&upload, piece(3, Some(6), b"def")).await.unwrap_err();
    assert_eq!(refusal(&error), Some(Refusal::SpoolLost));
}

/// Two processes that append to one file would mix their bytes, and nobody would notice.
#[tokio::test]
async fn a_spool_belongs_to_one_process() {
    let place = Place::memory().await;
    drop(place.open().await);
    // A lock of another open file is as good as one of another process.
    let theirs = std::fs::File::open(place.spool()).unwrap();
    FileExt::lock_exclusive(&theirs).unwrap();
    let error = place.try_open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("another process"), "{error}");
    drop(theirs);
    let service = place.try_open().await.unwrap();
    let other = place.try_open().await.unwrap();
    let theirs = std::fs::File::open(place.spool()).unwrap();
    drop(service);
    FileExt::try_lock_exclusive(&theirs).unwrap_err();
    drop(other);
    FileExt::try_lock_exclusive(&theirs).unwrap();
}

#[tokio::test]
async fn a_full_spool_refuses_for_a_while() {
    let place = Place::memory().await;
    let service = place.open_with(DataOptions { spool_quota: 10, ..place.options() }).await;
    let upload = begun(&service, UploadKind::Gcs).await;
    let error = service.append(&upload, piece(0, None, b"01234567890")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    // Nothing of it took room.
    service.append(&upload, piece(0, None, b"0123456789")).await.unwrap();
    service.create_entry(entry("b", NewContent::File)).await.unwrap();
    let new = NewUpload::new(id("b"), UploadKind::Tus);
    let other = service.begin_upload(&new).await.unwrap().value.id;
    let full = service.append(&other, piece(0, Some(1), b"x")).await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::Unavailable);
    service.append(&upload, piece(10, Some(10), b"")).await.unwrap();
    service.append(&other, piece(0, Some(1), b"x")).await.unwrap();
}

#[tokio::test]
async fn an_upload_that_goes_on_does_not_expire() {
    let place = Place::memory().await;
    let service = place.open().await;
    let upload = begun(&service, UploadKind::Gcs).await;
    for start in 0..4 {
        place.clock.advance(20 * HOUR);
        service.append(&upload, piece(start, Some(5), b"x")).await.unwrap();
        service.sweep().await.unwrap();
    }
    place.clock.advance(2 * DAY);
    let error = service.append(&upload, piece(4, Some(5), b"x")).await.unwrap_err();
    assert_eq!(refusal(&error), Some(Refusal::Expired));
    holds_in_the_end(&place).await;
    assert!(service.entry(&id("a")).await.is_err());
}

#[tokio::test]
async fn parts_are_compared_with_what_was_announced() {
    let place = Place::memory().await;
    let service = place.open().await;
    service.create_entry(entry("a", NewContent::File)).await.unwrap();
    let md5 = |content: &[u8]| BlobDigest::of(content).md5;
    let part_hashes: Vec<Md5> = vec![md5(b"one"), md5(b"two")];
    let new = NewUpload { part_hashes, ..NewUpload::new(id("a"), UploadKind::Parts) };
    let upload = service.begin_upload(&new).await.unwrap().value.id;
    let number = |number| PartNumber::new(number).unwrap();
    let put = async |at, content: &[u8], expected| {
        service.put_part(&upload, number(at), bytes(content), expected).await
    };
    let wrong = put(1, b"xxx", None).await.unwrap_err();
    assert_eq!(refusal(&wrong), Some(Refusal::WrongDigest));
    let wrong = put(1, b"one", Some(md5(b"two"))).await.unwrap_err();
    assert_eq!(refusal(&wrong), Some(Refusal::WrongDigest));
    assert_eq!(put(3, b"three", None).await.unwrap_err().kind(), ErrorKind::Invalid);
    put(2, b"two", Some(md5(b"two"))).await.unwrap();
    let parts = [(number(1), None), (number(2), Some(md5(b"two")))];
    let missing = service.complete_parts(&upload, &parts).await.unwrap_err();
    assert_eq!(refusal(&missing), Some(Refusal::NotUploaded));
    put(1, b"one", None).await.unwrap();
    put(1, b"one", None).await.unwrap();
    let few = service.complete_parts(&upload, &parts[..1]).await.unwrap_err();
    assert_eq!(refusal(&few), Some(Refusal::NotUploaded));
    let other = [(number(1), Some(md5(b"two"))), parts[1]];
    let wrong = service.complete_parts(&upload, &other).await.unwrap_err();
    assert_eq!(refusal(&wrong), Some(Refusal::WrongDigest));
    let end = service.complete_parts(&upload, &parts).await.unwrap();
    assert_eq!(end.complete, Some(BlobDigest::of(b"onetwo")));
    assert_eq!(service.complete_parts(&upload, &parts).await.unwrap(), end);
    let late = put(1, b"one", None).await.unwrap_err();
    assert_eq!(refusal(&late), Some(Refusal::WrongState));
    assert_eq!(content(&service).await, b"onetwo");
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn parts_that_were_joined_before_a_crash_are_found() {
    for step in [Step::BytesWritten, Step::PartStored] {
        let place = Place::sqlite().await;
        let upload = begun(&place.open().await, UploadKind::Parts).await;
        let stopping = place.stopping(move |at| at == step).await;
        let part = PartNumber::FIRST;
        let stored = stopping.put_part(&upload, part, bytes(b"one"), None).await;
        assert_eq!(stored.is_err(), step == Step::PartStored);
        let _ = stopping.complete_parts(&upload, &[(part, None)]).await.unwrap_err();
        let service = place.open().await;
        if step == Step::PartStored {
            service.put_part(&upload, part, bytes(b"one"), None).await.unwrap();
        }
        let end = service.complete_parts(&upload, &[(part, None)]).await.unwrap();
        assert_eq!(end.complete, Some(BlobDigest::of(b"one")));
        assert_eq!(content(&service).await, b"one");
        holds_in_the_end(&place).await;
    }
}

#[tokio::test]
async fn of_two_uploads_the_one_that_is_complete_last_counts() {
    let place = Place::memory().await;
    let service = place.open().await;
    let first = begun(&service, UploadKind::Gcs).await;
    let new = NewUpload::new(id("a"), UploadKind::Tus);
    let second = service.begin_upload(&new).await.unwrap().value.id;
    service.append(&second, piece(0, Some(3), b"two")).await.unwrap();
    service.append(&first, piece(0, Some(3), b"one")).await.unwrap();
    assert_eq!(content(&service).await, b"one");
    let late = service.begin_upload(&new).await.unwrap_err();
    assert_eq!(refusal(&late), Some(Refusal::WrongState));
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn an_upload_is_given_up() {
    let place = Place::memory().await;
    let service = place.open().await;
    for kind in [UploadKind::Gcs, UploadKind::Parts] {
        let upload = begun(&service, kind).await;
        if kind == UploadKind::Parts {
            service.put_part(&upload, PartNumber::FIRST, bytes(b"x"), None).await.unwrap();
        } else {
            service.append(&upload, piece(0, Some(2), b"x")).await.unwrap();
        }
        service.abort_upload(&upload).await.unwrap();
        service.abort_upload(&upload).await.unwrap();
        let gone = service.append(&upload, piece(1, Some(2), b"x")).await.unwrap_err();
        assert_eq!(refusal(&gone), Some(Refusal::Expired));
    }
    holds_in_the_end(&place).await;
}
