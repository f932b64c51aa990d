//! Versions never fall, also for a handle that knows an old floor.

use std::sync::Arc;
use std::time::Duration;

use crate::common::DynamoPlace;
use aws_sdk_dynamodb::types::AttributeValue;
use repo_core::strategy::{
    OpenOptions, StorageStrategy as _, StorageStrategyExt as _, StoreUpdate,
};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, Key, ManualClock, Precondition,
    Timestamp, Write,
};
use repo_dynamo::DynamoStrategy;

fn key(id: &str) -> Key {
    Key::new(CollectionName::new("items").unwrap(), EntityId::new(id).unwrap())
}

fn item(id: &str) -> Document {
    Document::parse(&format!("{{\"id\":\"{id}\"}}")).unwrap()
}

fn later() -> Timestamp {
    Timestamp::from_micros(2_000_000).unwrap()
}

async fn open(place: &DynamoPlace) -> DynamoStrategy {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000).unwrap()));
    let options = OpenOptions::default().with_clock(clock);
    DynamoStrategy::open_with(&place.config, place.settings(), options).await.unwrap()
}

/// Two handles; the second has read the floor before the first purges.
async fn two(place: &DynamoPlace) -> [DynamoStrategy; 2] {
    let stores = [open(place).await, open(place).await];
    let schema = CollectionSchema::undeclared(key("a").collection);
    stores[0].prepare(&[schema]).await.unwrap();
    stores[1].save(key("knows the floor"), item("knows the floor")).await.unwrap();
    stores
}

async fn save_and_delete(store: &DynamoStrategy, id: &str, times: usize) -> u64 {
    for _ in 0..times {
        store.save(key(id), item(id)).await.unwrap();
    }
    store.delete(key(id)).await.unwrap().unwrap().get()
}

#[tokio::test]
async fn a_handle_that_missed_a_purge_counts_on() {
    let place = DynamoPlace::new();
    let [one, two] = two(&place).await;
    for id in ["single", "several"] {
        assert_eq!(save_and_delete(&one, id, 4).await, 5);
    }
    let purged = one.purge(&key("a").collection, later()).await.unwrap();
    assert_eq!((purged.removed, purged.floor), (2, 5));
    assert_eq!(two.get(&key("a").collection, &key("single").id).await.unwrap(), None);
    // Both within the lease of the second handle, which knows floor 0.
    assert_eq!(two.save(key("single"), item("single")).await.unwrap().version.get(), 6);
    let put = |id: &str| Write::put(key(id), item(id), Precondition::Absent);
    let written = two.commit(vec![put("several"), put("fresh")]).await.unwrap();
    assert_eq!(written[0].version().unwrap().get(), 6);
}

#[tokio::test]
async fn a_floor_that_rose_after_the_purge_counts() {
    let place = DynamoPlace::new();
    let [one, _] = two(&place).await;
    for id in ["a", "b", "c"] {
        save_and_delete(&one, id, 1).await;
    }
    one.purge(&key("a").collection, later()).await.unwrap();
    let raise = StoreUpdate::RaiseFloor { collection: key("a").collection, floor: 40 };
    one.update_store_record(raise).await.unwrap();
    assert_eq!(one.save(key("a"), item("a")).await.unwrap().version.get(), 41);
    let put = |id: &str| Write::put(key(id), item(id), Precondition::Any);
    let written = one.commit(vec![put("b"), put("new")]).await.unwrap();
    let versions: Vec<u64> = written.iter().map(|w| w.version().unwrap().get()).collect();
    assert_eq!(versions, [41, 41]);
    // Applied records ignore floors, also over what remains of a purged one.
    let record = repo_core::strategy::Record::Tombstone(repo_core::strategy::Tombstone {
        collection: key("c").collection,
        id: key("c").id,
        version: repo_core::Version::FIRST,
        deleted_at: later(),
    });
    assert_eq!(one.apply(vec![record]).await.unwrap(), [repo_core::strategy::Applied::Applied]);
}

#[tokio::test]
async fn what_remains_of_a_purged_record_goes_after_the_grace() {
    let place = DynamoPlace::new();
    let [one, _] = two(&place).await;
    save_and_delete(&one, "a", 1).await;
    one.purge(&key("a").collection, later()).await.unwrap();
    let table = place.table("items");
    let id = AttributeValue::S("a".to_owned());
    let get = || async {
        let request = place.client().get_item().table_name(&table).key("id", id.clone());
        request.consistent_read(true).send().await.unwrap().item
    };
    one.purge(&key("a").collection, later()).await.unwrap();
    assert!(get().await.unwrap().contains_key("_purged"), "it goes too early");
    let client = place.client();
    let request = client
        .update_item()
        .table_name(&table)
        .key("id", id.clone())
        .update_expression("SET #p = #p - :grace")
        .expression_attribute_names("#p", "_purged")
        .expression_attribute_values(":grace", AttributeValue::N("3600".to_owned()));
    request.send().await.unwrap();
    let purged = one.purge(&key("a").collection, later()).await.unwrap();
    assert_eq!((purged.removed, purged.floor), (0, 2));
    assert_eq!(get().await, None);
    assert_eq!(one.save(key("a"), item("a")).await.unwrap().version.get(), 3);
}

#[tokio::test]
async fn purges_race_with_writers_and_no_version_falls() {
    let place = DynamoPlace::new();
    let [one, two] = two(&place).await;
    let (one, two) = (Arc::new(one), Arc::new(two));
    let writer = |store: Arc<DynamoStrategy>| async move {
        let mut last = 0;
        for _ in 0..60 {
            let version = store.save(key("a"), item("a")).await.unwrap().version.get();
            assert!(version > last, "the version fell from {last} to {version}");
            last = version;
            if let Some(version) = store.delete(key("a")).await.unwrap() {
                assert!(version.get() > last, "the version fell from {last} to {version}");
                last = version.get();
            }
        }
    };
    let purges = async {
        for _ in 0..40 {
            one.purge(&key("a").collection, later()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::join!(writer(Arc::clone(&two)), writer(Arc::clone(&one)), purges);
}
