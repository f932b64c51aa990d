//! The sweeper against those who complete, restore and write late.

use crate::common::invariants::{holds_in_the_end, holds_now};
use crate::common::story::{entry, long, piece};
use crate::common::{DAY, HOUR, Place, id};
use futures_util::{StreamExt as _, stream};
use repo_core::ErrorKind;
use repo_data::model::{BlobState, EntryStatus, UploadKind};
use repo_data::{NewContent, NewUpload, Refusal, SweepTask};

async fn staged(place: &Place) -> repo_data::DataService {
    let service = place.open().await;
    service.create_entry(entry("a", NewContent::File)).await.unwrap();
    let upload = service.begin_upload(&NewUpload::new(id("a"), UploadKind::Gcs)).await.unwrap();
    service.append(&upload.value.id, piece(0, Some(3), b"abc")).await.unwrap();
    service
}

async fn sweeper_or_completer(fresh: impl AsyncFn() -> Place) {
    for _ in 0..8 {
        let place = fresh().await;
        let (completer, sweeper) = (staged(&place).await, place.open().await);
        place.clock.advance(2 * DAY);
        let entry = id("a");
        let (activated, swept) =
            futures_util::join!(completer.activate_entry(&entry, None), sweeper.sweep());
        let swept = swept.unwrap();
        match activated {
            Ok(entry) => assert_eq!(entry.value.status, EntryStatus::Active),
            Err(error) => {
                let refused = Refusal::of(&error);
                let known = matches!(refused, Some(Refusal::Expired | Refusal::NotUploaded))
                    || error.kind() == ErrorKind::NotFound;
                assert!(known, "{error:?}");
                assert_eq!(swept.count(SweepTask::ExpireEntry), 1);
            }
        }
        holds_now(&sweeper).await;
        holds_in_the_end(&place).await;
    }
}

#[tokio::test]
async fn either_the_sweeper_or_the_completer_wins_in_memory() {
    sweeper_or_completer(Place::memory).await;
}

#[tokio::test]
async fn either_the_sweeper_or_the_completer_wins_on_sqlite() {
    sweeper_or_completer(Place::sqlite).await;
}

#[tokio::test]
async fn a_restore_and_the_sweeper_do_not_both_win() {
    for _ in 0..8 {
        let place = Place::memory().await;
        let service = place.open().await;
        service.create_entry(entry("a", NewContent::Text(long("abc")))).await.unwrap();
        service.delete_entry(&id("a"), None).await.unwrap();
        place.clock.advance(7 * DAY);
        let entry = id("a");
        let (restored, swept) =
            futures_util::join!(service.restore_entry(&entry, None), service.sweep());
        assert!(restored.is_err(), "its time is over");
        assert_eq!(swept.unwrap().count(SweepTask::PurgeEntry), 1);
        holds_in_the_end(&place).await;
    }
}

#[tokio::test]
async fn a_late_writer_leaves_nothing() {
    let place = Place::memory().await;
    let service = place.open().await;
    service.create_entry(entry("a", NewContent::File)).await.unwrap();
    let upload = service.begin_upload(&NewUpload::new(id("a"), UploadKind::Gcs)).await.unwrap();
    let key = upload.value.id;
    place.clock.advance(2 * DAY);
    service.sweep().await.unwrap();
    assert_eq!(service.blob(&key).await.unwrap().value.state, BlobState::Deleting);
    // Somebody began to write before, and writes now.
    let (_, store) = service.blob_stores().iter().next().unwrap();
    let late = stream::iter([Ok(bytes::Bytes::from_static(b"late"))]).boxed();
    store.put(&key, late, &repo_blob::Expected::NOTHING).await.unwrap();
    place.clock.advance(2 * HOUR);
    service.sweep().await.unwrap();
    assert_eq!(store.head(&key).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(service.blob(&key).await.unwrap_err().kind(), ErrorKind::NotFound);
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn many_writers_of_one_owner_are_all_counted() {
    let place = Place::sqlite().await;
    let service = place.open().await;
    let work = (0..40).map(|number| {
        let new = entry(&format!("e{number}"), NewContent::Text("x".repeat(number)));
        service.create_entry(new)
    });
    for created in futures_util::future::join_all(work).await {
        created.unwrap();
    }
    let usage = service.usage(repo_data::model::Scope::Owner, "ada").await.unwrap();
    assert_eq!((usage.entries, usage.bytes), (40, (0..40).sum::<i64>()));
    holds_now(&service).await;
}
