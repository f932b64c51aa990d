//! Uploads of entries that are deleted before they are active.

use crate::common::invariants::holds_in_the_end;
use crate::common::refused::{kind, refusal};
use crate::common::story::{entry, piece};
use crate::common::{Place, bytes, id};
use repo_blob::PartNumber;
use repo_core::ErrorKind;
use repo_data::model::{UploadId, UploadKind};
use repo_data::{DataService, NewContent, NewUpload, Refusal, Step, SweepTask};

async fn begun(service: &DataService, kind: UploadKind) -> UploadId {
    service.create_entry(entry("a", NewContent::File)).await.unwrap();
    service.begin_upload(&NewUpload::new(id("a"), kind)).await.unwrap().value.id
}

/// The next sweep removes what arrived, long before it would have expired.
async fn leaves_at_once(place: &Place, upload: UploadId) {
    let service = place.open().await;
    let swept = service.sweep().await.unwrap();
    let done = (swept.count(SweepTask::EndUpload), swept.count(SweepTask::EmptyBlob));
    assert_eq!((done, swept.failed), ((1, 1), 0), "{swept:?}");
    assert_eq!(kind(service.upload(&upload).await), ErrorKind::NotFound);
    assert!(!place.spool().join(upload.to_string()).exists());
    let (_, store) = service.blob_stores().iter().next().unwrap();
    assert_eq!(kind(store.head(&upload).await), ErrorKind::NotFound);
    holds_in_the_end(place).await;
}

#[tokio::test]
async fn what_is_on_its_way_ends_with_its_entry() {
    for kind in [UploadKind::Gcs, UploadKind::Tus] {
        let place = Place::sqlite().await;
        let service = place.open().await;
        let upload = begun(&service, kind).await;
        service.append(&upload, piece(0, Some(6), b"abc")).await.unwrap();
        service.delete_entry(&id("a"), None).await.unwrap();
        let late = service.append(&upload, piece(3, Some(6), b"def")).await;
        assert_eq!(refusal(late), Refusal::Expired);
        leaves_at_once(&place, upload).await;
    }
}

#[tokio::test]
async fn parts_end_with_their_entry() {
    let place = Place::memory().await;
    let service = place.open().await;
    let upload = begun(&service, UploadKind::Parts).await;
    service.put_part(&upload, PartNumber::FIRST, bytes(b"abc"), None).await.unwrap();
    service.delete_entry(&id("a"), None).await.unwrap();
    let late = service.put_part(&upload, PartNumber::FIRST, bytes(b"def"), None).await;
    assert_eq!(refusal(late), Refusal::Expired);
    leaves_at_once(&place, upload).await;
}

/// All bytes are there, and the process ends as soon as the deletion is committed.
#[tokio::test]
async fn what_is_staged_ends_in_the_commit_of_the_deletion() {
    let place = Place::sqlite().await;
    let service = place.stopping(|at| at == Step::Condemned).await;
    let upload = begun(&service, UploadKind::Gcs).await;
    let end = service.append(&upload, piece(0, Some(3), b"abc")).await.unwrap();
    assert!(end.complete.is_some());
    let (_, store) = service.blob_stores().iter().next().unwrap();
    store.head(&upload).await.unwrap();
    assert_eq!(kind(service.delete_entry(&id("a"), None).await), ErrorKind::Closed);
    leaves_at_once(&place, upload).await;
}
