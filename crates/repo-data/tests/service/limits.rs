//! Quotas, and outside sources.

use crate::common::refused::{refusal, text};
use crate::common::story::entry;
use crate::common::{Place, id};
use repo_blob::ByteRange;
use repo_data::model::{Content, ContentKind, Json, OutsideLocation, Scope, StorageType};
use repo_data::{DataOptions, NewContent, PageRequest, Quotas, Refusal};

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
    let (sums, next) = service.list_usage(Scope::Owner, &PageRequest::default()).await.unwrap();
    assert_eq!((sums.len(), next), (1, None));
    assert_eq!((sums[0].1.entries, sums[0].1.bytes), (3, 3));
    let store = service.usage(Scope::Store, "main").await.unwrap();
    assert_eq!(store.condemned_bytes, 90);
}

#[tokio::test]
async fn outside_sources_need_the_list() {
    let place = Place::memory().await;
    let service = place.open().await;
    let location = OutsideLocation {
        storage_type: StorageType::Gcs,
        content_type: ContentKind::Directory,
        location: None,
        metadata: Some(Json::parse(r#"{"bucket_name":"b","prefix":"p/"}"#).unwrap()),
    };
    let refused = service.create_entry(entry("a", NewContent::Outside(location.clone()))).await;
    assert_eq!(refusal(refused), Refusal::SourceNotAllowed);
    let mut options = place.options();
    options.sources.buckets.push(("b".into(), "p/".into()));
    let service = place.open_with(options).await;
    let made =
        service.create_entry(entry("a", NewContent::Outside(location.clone()))).await.unwrap();
    assert_eq!(made.value.content, Content::Outside { location, files: vec![] });
    assert_eq!(service.entry(&id("a")).await.unwrap(), made);
    assert_eq!(refusal(service.open_entry(&id("a"), ByteRange::WHOLE).await), Refusal::WrongState);
}
