//! Opening a service: layouts, schemas, half-made stores.

use crate::common::Place;
use repo_blob::BlobOptions;
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{Document, Error, ErrorKind, Key, Schemas};
use repo_data::model::StoreName;
use repo_data::{BlobStores, DataOptions, DataService, LAYOUT_VERSION, collections};
use repo_engine::Store;

async fn try_open(place: &Place, store: Store, create: bool) -> Result<DataService, Error> {
    let folder = place.blobs();
    let blobs = repo_blob::open(folder.to_str().unwrap(), &BlobOptions::default()).await.unwrap();
    let blobs = BlobStores::new(StoreName::new("main").unwrap(), blobs);
    DataService::open(store, blobs, DataOptions { create, ..place.options() }).await
}

async fn set_layout(store: &Store, layout: u32) {
    let key = Key::new(collections::SERVICE.parse().unwrap(), "layout".parse().unwrap());
    let document = format!(r#"{{"id":"layout","layout_version":{layout}}}"#);
    store.strategy().save(key, Document::parse(&document).unwrap()).await.unwrap();
}

#[tokio::test]
async fn another_layout_is_refused_with_what_to_run() {
    let place = Place::sqlite().await;
    place.open().await;
    place.open().await;
    for (layout, says) in [(LAYOUT_VERSION + 1, "newer"), (0, "older")] {
        set_layout(&place.store, layout).await;
        let error = try_open(&place, place.store.clone(), true).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains(says), "{error}");
        assert!(error.hint_text().unwrap().contains("repo-server schema"), "{error:?}");
    }
    set_layout(&place.store, LAYOUT_VERSION).await;
    try_open(&place, place.store.clone(), false).await.unwrap();
}

#[tokio::test]
async fn records_without_a_layout_are_refused() {
    let place = Place::memory().await;
    let key = Key::new(collections::ENTRIES.parse().unwrap(), "a".parse().unwrap());
    let document = Document::parse(r#"{"id":"a"}"#).unwrap();
    place.store.strategy().save(key, document).await.unwrap();
    let error = try_open(&place, place.store.clone(), true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint_text().unwrap().contains("schema migrate"));
}

#[tokio::test]
async fn an_empty_store_is_made_ready_only_if_that_is_wanted() {
    let place = Place::memory().await;
    let error = try_open(&place, place.store.clone(), false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    try_open(&place, place.store.clone(), true).await.unwrap();
    try_open(&place, place.store.clone(), false).await.unwrap();
}

#[tokio::test]
async fn a_store_without_the_schemas_is_refused() {
    let place = Place::memory().await;
    let store = Store::open("memory:").schemas(Schemas::default()).await.unwrap();
    let error = try_open(&place, store, true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
}
