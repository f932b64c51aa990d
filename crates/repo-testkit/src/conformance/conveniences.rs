//! `save`, `create`, `update`, `delete` and the typed repository.

use futures::TryStreamExt as _;
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{
    Consistency, Direction, ErrorKind, Filter, Model, Query, Repository, StoreRepository, field,
};
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
    assert_kind(things.update_version(&two, version(7)).await, ErrorKind::Conflict);
    assert_eq!(things.update_version(&two, version(1)).await.unwrap().get(), 2);
    let found = things.find_by_id(&id("a")).await.unwrap().unwrap();
    assert_eq!((found.value, found.version.get()), (two.clone(), 2));
    assert!(things.exists(&id("a")).await.unwrap());
    assert_eq!(things.save(&two).await.unwrap().get(), 3);
    assert_kind(things.delete_version(&id("a"), version(2)).await, ErrorKind::Conflict);
    things.delete_version(&id("a"), version(3)).await.unwrap();
    assert_kind(things.delete_version(&id("a"), version(3)).await, ErrorKind::NotFound);
    assert!(things.find_by_id(&id("a")).await.unwrap().is_none());
    assert!(!things.exists(&id("a")).await.unwrap());
}

/// What was read is changed and stored over the version that was read, and only
/// over that.
pub async fn what_was_read_is_updated_over_its_version(f: Fixture) {
    let store = f.prepared().await;
    let things = repository(&store);
    things.save_batch(&[thing("a", "on", 1), thing("b", "on", 2)]).await.unwrap();
    let read = things.get("a").await.unwrap().unwrap();
    let changed = read.clone().changed(|thing| thing.count += 10);
    assert_eq!(things.update(&changed).await.unwrap().get(), 2);
    assert_kind(things.update(&changed).await, ErrorKind::Conflict);
    assert_kind(things.delete(&read).await, ErrorKind::Conflict);
    let ids = ["b", "missing", "a", "b"].map(id);
    let found = things.find_many(&ids).await.unwrap();
    let counts: Vec<_> = found.iter().map(|thing| thing.as_ref().map(|t| t.value.count)).collect();
    assert_eq!(counts, [Some(2), None, Some(11), Some(2)]);
    things.delete(found[2].as_ref().unwrap()).await.unwrap();
    assert!(things.find_many(&[id("a")]).await.unwrap()[0].is_none());
    assert_kind(things.get("").await, ErrorKind::Invalid);
}

/// A query that is built step by step answers as the JSON form does.
pub async fn a_query_built_in_rust_is_the_json_one(f: Fixture) {
    let store = f.prepared().await;
    let things = repository(&store);
    let batch: Vec<Thing> = (0..50)
        .map(|n| thing(&format!("{n:02}"), ["on", "off"][(n % 2) as usize], n % 9))
        .collect();
    things.save_batch(&batch).await.unwrap();
    let built = || things.query(field("status").eq("on").and(field("count").ge(3))).strong();
    let json = Query::new(filter(r#"{"$and": [{"status": "on"}, {"count": {"$ge": 3}}]}"#))
        .order_by("count:desc")
        .unwrap()
        .strong();
    let expected: Vec<_> = things.find_by_criteria(json).try_collect().await.unwrap();
    let ordered = || built().order_by("count", Direction::Descending);
    assert_eq!(ordered().try_collect().await.unwrap(), expected);
    assert_eq!(ordered().limit(4).try_collect().await.unwrap(), expected[..4]);
    assert_eq!(ordered().limit(1_000_000).try_collect().await.unwrap(), expected);
    assert_eq!(ordered().limit(0).try_collect().await.unwrap(), []);
    assert_eq!(ordered().first().await.unwrap().as_ref(), expected.first());
    assert_eq!(ordered().limit(2).count().await.unwrap(), expected.len() as u64);
    let hostile = r#"on", "$or": [{}], "x": {"$ne": "y"#;
    assert_eq!(things.query(field("status").eq(hostile)).first().await.unwrap(), None);
    let wrong = things.query(field("a..b").eq(1)).try_collect().await;
    assert_kind(wrong, ErrorKind::Invalid);
    let wrong = things.query(filter("{}")).order_by("_version", Direction::Ascending);
    assert_kind(wrong.try_collect().await, ErrorKind::Invalid);
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
    assert_eq!(things.count(&on, Consistency::Strong).await.unwrap(), 550);
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
