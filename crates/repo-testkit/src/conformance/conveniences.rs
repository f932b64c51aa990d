//! `save`, `create`, `update`, `delete` and the typed repository.

use futures::TryStreamExt as _;
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{ErrorKind, Filter, Model, Query, Repository, StoreRepository};
use serde::{Deserialize, Serialize};

use super::support::{assert_kind, delete, document, failures, filter, id, key, save, version};
use crate::{Fixture, Store};

/// A typed entity of the collection `things`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Thing {
    thing_id: String,
    status: String,
    count: i64,
}

impl Model for Thing {
    const COLLECTION: &'static str = "things";
    fn id(&self) -> &str {
        &self.thing_id
    }
}

fn thing(id: &str, status: &str, count: i64) -> Thing {
    Thing { thing_id: id.to_owned(), status: status.to_owned(), count }
}

fn repository(store: &Store) -> StoreRepository<Thing> {
    StoreRepository::new(std::sync::Arc::clone(store)).unwrap()
}

/// `create` makes what is not there, `update` and `delete` take the expected
/// version; each failure has its kind and names the versions.
pub async fn each_convenience_has_its_condition(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    let body = document(&key, "\"n\":1");
    assert_kind(store.update(key.clone(), body.clone(), version(1)).await, ErrorKind::NotFound);
    assert_kind(store.delete_version(key.clone(), version(1)).await, ErrorKind::NotFound);
    assert_eq!(store.delete(key.clone()).await.unwrap(), None);
    let created = store.create(key.clone(), body.clone()).await.unwrap();
    assert_eq!((created.version.get(), created.key()), (1, key.clone()));
    assert_kind(store.create(key.clone(), body.clone()).await, ErrorKind::AlreadyExists);
    let stale = store.update(key.clone(), body.clone(), version(2)).await;
    let error = assert_kind(stale, ErrorKind::Conflict);
    let expected = repo_core::Precondition::Version(version(2));
    assert_eq!(failures(&error), [(key.to_string(), expected, Some(1))]);
    let updated = store.update(key.clone(), body.clone(), version(1)).await.unwrap();
    assert_eq!(updated.version.get(), 2);
    assert_kind(store.delete_version(key.clone(), version(1)).await, ErrorKind::Conflict);
    assert_eq!(store.delete_version(key.clone(), version(2)).await.unwrap().get(), 3);
    assert_kind(store.update(key.clone(), body.clone(), version(3)).await, ErrorKind::NotFound);
    assert_eq!(store.create(key.clone(), body.clone()).await.unwrap().version.get(), 4);
    assert_eq!(store.delete(key).await.unwrap(), Some(version(5)));
}

/// The typed repository says the same in types.
pub async fn a_repository_is_the_same_in_types(f: Fixture) {
    let store = f.prepared().await;
    let things = repository(&store);
    let one = thing("a", "on", 1);
    assert_eq!(things.create(&one).await.unwrap().get(), 1);
    assert_kind(things.create(&one).await, ErrorKind::AlreadyExists);
    let two = thing("a", "off", 2);
    assert_kind(things.update(&two, version(7)).await, ErrorKind::Conflict);
    assert_eq!(things.update(&two, version(1)).await.unwrap().get(), 2);
    let found = things.find_by_id(&id("a")).await.unwrap().unwrap();
    assert_eq!((found.value, found.version.get()), (two.clone(), 2));
    assert!(things.exists(&id("a")).await.unwrap());
    assert_eq!(things.save(&two).await.unwrap().get(), 3);
    assert_kind(things.delete(&id("a"), version(2)).await, ErrorKind::Conflict);
    things.delete(&id("a"), version(3)).await.unwrap();
    assert_kind(things.delete(&id("a"), version(3)).await, ErrorKind::NotFound);
    assert!(things.find_by_id(&id("a")).await.unwrap().is_none());
    assert!(!things.exists(&id("a")).await.unwrap());
}

/// Batches are one commit: all or nothing.
pub async fn batches_are_written_whole(f: Fixture) {
    let store = f.prepared().await;
    let things = repository(&store);
    let batch: Vec<Thing> = (0..50).map(|n| thing(&format!("{n:02}"), "on", n)).collect();
    let versions = things.save_batch(&batch).await.unwrap();
    assert!(versions.len() == 50 && versions.iter().all(|version| version.get() == 1));
    let mut bad = batch.clone();
    bad.push(thing("50", &"x".repeat(1_001), 0));
    assert_kind(things.save_batch(&bad).await, ErrorKind::Invalid);
    assert_eq!(things.find_by_id(&id("00")).await.unwrap().unwrap().version.get(), 1);
    let ids = ["00", "01", "missing"].map(id);
    assert_eq!(things.delete_batch(&ids).await.unwrap(), 2);
    assert_eq!(super::support::count(&store, "things", &Filter::default()).await, 48);
    assert_eq!(things.save_batch(&[]).await.unwrap(), []);
}

/// Without a limit a stream goes over all pages; a limit ends it.
pub async fn streams_go_over_all_pages(f: Fixture) {
    let store = f.prepared().await;
    let things = repository(&store);
    let batch: Vec<Thing> = (0..1_100_usize)
        .map(|n| thing(&format!("{n:04}"), ["on", "off"][n % 2], i64::try_from(n % 7).unwrap()))
        .collect();
    for part in batch.chunks(50) {
        things.save_batch(part).await.unwrap();
    }
    let mut all: Vec<_> = things.find_all().try_collect().await.unwrap();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(all.into_iter().map(|stored| stored.value).collect::<Vec<_>>(), batch);
    let on = filter(r#"{"status":"on"}"#);
    let mut expected: Vec<&Thing> = batch.iter().filter(|thing| thing.status == "on").collect();
    expected.sort_by_key(|thing| (-thing.count, thing.thing_id.clone()));
    let query = Query::new(on.clone()).order_by("count:desc").unwrap();
    for (query, most) in [(query.clone(), 550), (query.limit(7).unwrap(), 7)] {
        let found: Vec<_> = things.find_by_criteria(query).try_collect().await.unwrap();
        let found: Vec<&Thing> = found.iter().map(|stored| &stored.value).collect();
        assert_eq!(found, expected[..most]);
    }
    assert_eq!(things.count(&on).await.unwrap(), 550);
}

/// A stored document that does not fit the type is an error that names it.
pub async fn a_document_of_another_shape_is_an_error(f: Fixture) {
    let store = f.prepared().await;
    let key = key("things", "odd");
    save(&store, &key, "\"status\":1").await;
    let error = assert_kind(repository(&store).find_by_id(&id("odd")).await, ErrorKind::Invalid);
    assert!(error.to_string().contains("odd"), "{error}");
    delete(&store, &key).await;
}
