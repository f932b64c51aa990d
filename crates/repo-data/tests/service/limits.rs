//! Quotas, and outside sources.

use std::sync::Barrier;

use crate::common::invariants::holds_in_the_end;
use crate::common::refused::{refusal, text};
use crate::common::story::{datapoint, entry, long, piece};
use crate::common::{Place, id};
use repo_blob::ByteRange;
use repo_data::model::{
    Content, ContentKind, DataType, Json, OutsideLocation, Scope, StorageType, UploadKind,
};
use repo_data::{
    DataOptions, Hooks, NewContent, NewDatapoint, NewUpload, PageRequest, Quotas, Refusal, Step,
};
use tokio::runtime::Handle;

#[tokio::test]
async fn quotas_hold() {
    let place = Place::memory().await;
    let quotas = Quotas { owner_bytes: Some(100), owner_entries: Some(3) };
    let service = place.open_with(DataOptions { quotas, ..place.options() }).await;
    service.create_entry(text("a", &"x".repeat(90))).await.unwrap();
    assert_eq!(refusal(service.create_entry(text("b", &"x".repeat(11))).await), Refusal::Quota);
    service.delete_entry(&id("a"), None).await.unwrap();
    assert_eq!(refusal(service.create_entry(text("b", &"x".repeat(11))).await), Refusal::Quota);
    for name in ["c", "d", "e"] {
        service.create_entry(text(name, "x")).await.unwrap();
    }
    assert_eq!(refusal(service.create_entry(text("f", "x")).await), Refusal::Quota);
    assert_eq!(refusal(service.restore_entry(&id("a"), None).await), Refusal::Quota);
    let (sums, next) = service.list_usage(Scope::Owner, &PageRequest::default()).await.unwrap();
    assert_eq!((sums.len(), next), (1, None));
    assert_eq!((sums[0].1.entries, sums[0].1.bytes), (3, 3));
    let store = service.usage(Scope::Store, "main").await.unwrap();
    assert_eq!(store.condemned_bytes, 90);
}

/// What one owner wants at once.
const WANTED: usize = 16;
/// How much of it a quota has room for.
const ROOM: usize = 10;

/// Runs each on a thread of its own, so that they can wait for each other; how many a quota let
/// through. The others it refused.
async fn let_through<T: std::fmt::Debug + Send + 'static>(
    work: impl Iterator<Item = impl Future<Output = repo_core::Result<T>> + Send + 'static>,
) -> usize {
    let threads: Vec<_> = work
        .map(|one| {
            let here = Handle::current();
            tokio::task::spawn_blocking(move || here.block_on(one))
        })
        .collect();
    let mut through = 0;
    for thread in threads {
        match thread.await.unwrap() {
            Ok(_) => through += 1,
            refused => assert_eq!(refusal(refused), Refusal::Quota),
        }
    }
    through
}

/// All of them see the same usage before one of them commits.
async fn datapoints_at_once(place: Place) {
    let value = Json::parse(&format!("\"{}\"", long("value"))).unwrap();
    let size = value.as_str().len() as u64;
    let quotas = Quotas { owner_bytes: Some(size * ROOM as u64 + 1), owner_entries: None };
    let meeting = Barrier::new(WANTED);
    let hooks = Hooks::new(move |step| {
        if step == Step::BytesWritten {
            meeting.wait();
        }
        false
    });
    let service = place.open_with(DataOptions { quotas, hooks, ..place.options() }).await;
    let submissions = (0..WANTED).map(|number| {
        let (service, value) = (service.clone(), Some(value.clone()));
        let new = NewDatapoint { value, ..datapoint(&format!("d{number}"), DataType::Json) };
        async move { service.submit_datapoint(new, None).await }
    });
    assert_eq!(let_through(submissions).await, ROOM);
    let usage = service.usage(Scope::Owner, "ada").await.unwrap();
    assert_eq!((usage.datapoints, usage.bytes as u64), (ROOM as i64, size * ROOM as u64));
    holds_in_the_end(&place).await;
}

/// Uploads of any number may be under way; as many become entries as there is room for.
async fn activations_at_once(place: Place) {
    let quotas = Quotas { owner_bytes: None, owner_entries: Some(ROOM as u64) };
    let service = place.open_with(DataOptions { quotas, ..place.options() }).await;
    for number in 0..WANTED {
        let name = format!("e{number}");
        service.create_entry(entry(&name, NewContent::File)).await.unwrap();
        let new = NewUpload::new(id(&name), UploadKind::Gcs);
        let upload = service.begin_upload(&new).await.unwrap().value.id;
        service.append(&upload, piece(0, Some(3), b"abc")).await.unwrap();
    }
    let activations = (0..WANTED).map(|number| {
        let service = service.clone();
        async move { service.activate_entry(&id(&format!("e{number}")), None).await }
    });
    assert_eq!(let_through(activations).await, ROOM);
    let usage = service.usage(Scope::Owner, "ada").await.unwrap();
    assert_eq!((usage.entries, usage.bytes), (ROOM as i64, 3 * ROOM as i64));
    holds_in_the_end(&place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_at_once_stays_within_a_quota_in_memory() {
    datapoints_at_once(Place::memory().await).await;
    activations_at_once(Place::memory().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_at_once_stays_within_a_quota_on_sqlite() {
    datapoints_at_once(Place::sqlite().await).await;
    activations_at_once(Place::sqlite().await).await;
}

#[tokio::test]
async fn outside_sources_need_the_list() {
    let place = Place::memory().await;
    let service = place.open().await;
    let location = OutsideLocation {
        storage_type: StorageType::Gcs,
        content_type: ContentKind::Directory,
        location: None,
        metadata: Some(Json::parse(r#"{"bucket_name":"raw","prefix":"p/"}"#).unwrap()),
    };
    let refused = service.create_entry(entry("a", NewContent::Outside(location.clone()))).await;
    assert_eq!(refusal(refused), Refusal::SourceNotAllowed);
    let mut options = place.options();
    let rules =
        r#"{"buckets":[{"kind":"gcs","bucket":"raw","prefixes":["p"],"connection":"lab"}]}"#;
    options.sources = serde_json::from_str(rules).unwrap();
    let service = place.open_with(options).await;
    let made =
        service.create_entry(entry("a", NewContent::Outside(location.clone()))).await.unwrap();
    assert_eq!(made.value.content, Content::Outside { location, files: vec![] });
    assert_eq!(service.entry(&id("a")).await.unwrap(), made);
    assert_eq!(refusal(service.open_entry(&id("a"), ByteRange::WHOLE).await), Refusal::WrongState);
}
