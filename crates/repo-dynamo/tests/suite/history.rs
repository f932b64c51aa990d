//! The table of older versions: whose it is, and what is left in it.

use std::num::NonZeroUsize;

use crate::common::DynamoPlace;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use repo_core::strategy::{
    HistoryState, OlderThan, OlderVersion, StorageStrategy as _, StorageStrategyExt as _,
    StoreUpdate, VersionWrite,
};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, ErrorKind, HealthDepth, Key, Result,
    Timestamp, Version,
};
use repo_dynamo::DynamoStrategy;

fn name(name: &str) -> CollectionName {
    CollectionName::new(name).unwrap()
}

async fn prepared(place: &DynamoPlace) -> DynamoStrategy {
    let store = place.open_as(place.settings()).await.unwrap();
    let schemas = ["items", "notes"].map(|text| CollectionSchema::undeclared(name(text)));
    store.prepare(&schemas).await.unwrap();
    store
}

/// Begins or ends a history, whatever is stored.
async fn keep(store: &DynamoStrategy, collection: &str, on: bool) -> Result<()> {
    let collection = name(collection);
    let expected = store.store_record().await?.history.get(&collection).copied();
    let history = on.then(|| HistoryState::new(Timestamp::from_micros(1).unwrap()));
    let update = StoreUpdate::History { collection, expected, history };
    store.update_store_record(update).await.map(drop)
}

async fn save(store: &DynamoStrategy, collection: &str, id: &str) {
    let key = Key::new(name(collection), EntityId::new(id).unwrap());
    store.save(key, Document::parse(&format!("{{\"id\":\"{id}\"}}")).unwrap()).await.unwrap();
}

async fn older(store: &DynamoStrategy, collection: &str, id: &str) -> Result<Vec<OlderVersion>> {
    let of = OlderThan::new(EntityId::new(id).unwrap(), Version::new(Version::MAX).unwrap());
    store.older_versions(&name(collection), &[of], NonZeroUsize::new(1_000).unwrap()).await
}

async fn numbers(store: &DynamoStrategy, collection: &str, id: &str) -> Vec<u64> {
    let found = older(store, collection, id).await.unwrap();
    found.iter().map(|older| older.version.get()).collect()
}

/// The partitions in the table of older versions, one for each version.
async fn partitions(place: &DynamoPlace) -> Vec<String> {
    let table = place.table("_versions");
    let found = place.client().scan().table_name(table).consistent_read(true).send().await.unwrap();
    let mut partitions: Vec<String> =
        found.items().iter().map(|item| item["_record"].as_s().unwrap().clone()).collect();
    partitions.sort();
    partitions
}

#[tokio::test]
async fn a_table_of_versions_that_is_not_ours_is_left_alone() {
    let place = DynamoPlace::new();
    let store = prepared(&place).await;
    let attribute = AttributeDefinition::builder().attribute_name("_record");
    let attribute = attribute.attribute_type(ScalarAttributeType::S).build().unwrap();
    let key = KeySchemaElement::builder().attribute_name("_record").key_type(KeyType::Hash);
    let request = place.client().create_table().table_name(place.table("_versions"));
    let request = request.attribute_definitions(attribute).key_schema(key.build().unwrap());
    request.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
    let error = keep(&store, "items", true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert!(store.store_record().await.unwrap().history.is_empty());
    save(&store, "items", "a").await;
}

/// The table is made when a history first begins, and looked at by `health`.
#[tokio::test]
async fn the_table_of_versions_is_made_with_the_first_history() {
    let place = DynamoPlace::new();
    let store = prepared(&place).await;
    let exists = async || {
        let table = place.client().describe_table().table_name(place.table("_versions"));
        table.send().await.is_ok()
    };
    keep(&store, "items", false).await.unwrap();
    assert!(!exists().await);
    let before = store.physical_identity().await.unwrap().unwrap();
    keep(&store, "items", true).await.unwrap();
    assert!(exists().await && store.health(&HealthDepth::Quick).await.unwrap().is_ok());
    assert_ne!(store.physical_identity().await.unwrap().unwrap(), before);
    let client = place.client();
    client.delete_table().table_name(place.table("_versions")).send().await.unwrap();
    assert!(!store.health(&HealthDepth::Quick).await.unwrap().is_ok());
    // A history can end without it, and makes it again when it begins.
    keep(&store, "items", false).await.unwrap();
    keep(&store, "items", true).await.unwrap();
    save(&store, "items", "a").await;
    save(&store, "items", "a").await;
    assert_eq!(numbers(&store, "items", "a").await, [1]);
}

#[tokio::test]
async fn a_store_of_an_older_layout_keeps_histories_after_its_upgrade() {
    let place = DynamoPlace::new();
    let store = prepared(&place).await;
    let request = place
        .client()
        .update_item()
        .table_name(place.table("_store"))
        .key("_key", AttributeValue::S("store".to_owned()))
        .update_expression("SET #record.layout_version = :older")
        .expression_attribute_names("#record", "record")
        .expression_attribute_values(":older", AttributeValue::N("2".to_owned()));
    request.send().await.unwrap();
    for error in [
        keep(&store, "items", true).await.unwrap_err(),
        keep(&store, "items", false).await.map(drop).unwrap_err(),
        older(&store, "items", "a").await.map(drop).unwrap_err(),
        store.write_versions(&name("items"), Vec::new()).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.hint_text().unwrap().contains("upgrade_layout"), "{error}");
    }
    save(&store, "items", "a").await;
    assert_eq!(store.upgrade_layout().await.unwrap(), Some(2));
    keep(&store, "items", true).await.unwrap();
    save(&store, "items", "a").await;
    assert_eq!(numbers(&store, "items", "a").await, [1]);
}

/// A handle that does not know yet that the history has ended leaves something behind.
/// It is never answered, and removed when the next history has begun, of whatever
/// collection. What other collections keep stays.
#[tokio::test]
async fn what_an_ended_history_left_is_never_answered() {
    let place = DynamoPlace::new();
    let store = prepared(&place).await;
    let other = place.open_as(place.settings()).await.unwrap();
    tokio::try_join!(keep(&store, "items", true), keep(&other, "notes", true),).unwrap();
    for _ in 0..30 {
        save(&store, "items", "a").await;
    }
    save(&other, "notes", "a").await;
    save(&other, "notes", "a").await;
    let numbered = |partition: &str| partition.split_once('.').unwrap().1.to_owned();
    let of = |partitions: Vec<String>| -> Vec<String> {
        let mut all: Vec<String> = partitions.iter().map(|partition| numbered(partition)).collect();
        all.sort();
        all
    };
    assert_eq!(partitions(&place).await.len(), 30);
    // A look at the record, by which it writes for a while.
    assert_eq!(numbers(&other, "items", "a").await.len(), 29);
    keep(&store, "items", false).await.unwrap();
    assert_eq!(of(partitions(&place).await), ["notes#a"]);
    save(&other, "items", "a").await;
    assert_eq!(of(partitions(&place).await), ["items#a", "notes#a"]);
    let gone = older(&other, "items", "a").await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
    let added = VersionWrite::Remove(EntityId::new("a").unwrap(), Version::FIRST);
    let gone = other.write_versions(&name("items"), vec![added]).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
    keep(&store, "items", true).await.unwrap();
    assert_eq!(of(partitions(&place).await), ["notes#a"]);
    assert_eq!(numbers(&store, "items", "a").await, [0; 0]);
    assert_eq!(numbers(&store, "notes", "a").await, [1]);
}

/// A history of a collection that this handle loads ends the load; one that another
/// handle loads is not there.
#[tokio::test]
async fn a_history_ends_a_load() {
    let place = DynamoPlace::new();
    let store = prepared(&place).await;
    let other = place.open_as(place.settings()).await.unwrap();
    other.prepare_for_load(&[CollectionSchema::undeclared(name("things"))]).await.unwrap();
    let error = keep(&store, "things", true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    keep(&other, "things", true).await.unwrap();
    assert!(store.store_record().await.unwrap().loading.is_empty());
    save(&store, "things", "a").await;
    save(&other, "things", "a").await;
    assert_eq!(numbers(&store, "things", "a").await, [1]);
    // Of another collection it leaves loads alone.
    let loaded = CollectionSchema::undeclared(name("machines"));
    other.prepare_for_load(&[loaded]).await.unwrap();
    assert_eq!(store.store_record().await.unwrap().loading.len(), 1);
}
