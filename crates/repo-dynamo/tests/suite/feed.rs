//! The table of changes: whose it is, and what is left in it.

use std::num::NonZeroUsize;

use crate::common::DynamoPlace;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use repo_core::strategy::{
    CaptureHolder, FeedPosition, StorageStrategy as _, StorageStrategyExt as _, StoreUpdate,
};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, ErrorKind, HealthDepth, Key,
};
use repo_dynamo::DynamoStrategy;

fn schema(name: &str) -> CollectionSchema {
    CollectionSchema::undeclared(CollectionName::new(name).unwrap())
}

async fn prepared(place: &DynamoPlace) -> DynamoStrategy {
    let store = place.open_as(place.settings()).await.unwrap();
    store.prepare(&[schema("items")]).await.unwrap();
    store
}

fn holder() -> CaptureHolder {
    CaptureHolder::new("consumer", "a").unwrap()
}

fn hold() -> StoreUpdate {
    StoreUpdate::HoldCapture(holder())
}

fn release() -> StoreUpdate {
    StoreUpdate::ReleaseCapture(holder())
}

async fn save(store: &DynamoStrategy, id: &str) {
    let key = Key::new(CollectionName::new("items").unwrap(), EntityId::new(id).unwrap());
    store.save(key, Document::parse(&format!("{{\"id\":\"{id}\"}}")).unwrap()).await.unwrap();
}

async fn read(store: &DynamoStrategy) -> (Vec<String>, FeedPosition) {
    let most = NonZeroUsize::new(1_000).unwrap();
    let found = store.changes(None, most).await.unwrap();
    (found.changes.iter().map(|change| change.key.id.to_string()).collect(), found.next)
}

/// The partitions and places in the table of changes.
async fn places(place: &DynamoPlace) -> Vec<(String, String)> {
    let table = place.table("_changes");
    let found = place.client().scan().table_name(table).consistent_read(true).send().await.unwrap();
    let text = |item: &std::collections::HashMap<String, AttributeValue>, name: &str| {
        item[name].as_s().unwrap().clone()
    };
    found.items().iter().map(|item| (text(item, "_shard"), text(item, "_place"))).collect()
}

#[tokio::test]
async fn a_table_of_changes_that_is_not_ours_is_left_alone() {
    let place = DynamoPlace::new();
    let store = prepared(&place).await;
    let attribute = AttributeDefinition::builder().attribute_name("x");
    let attribute = attribute.attribute_type(ScalarAttributeType::S).build().unwrap();
    let key = KeySchemaElement::builder().attribute_name("x").key_type(KeyType::Hash);
    let request = place.client().create_table().table_name(place.table("_changes"));
    let request = request.attribute_definitions(attribute).key_schema(key.build().unwrap());
    request.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
    let error = store.update_store_record(hold()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert!(store.store_record().await.unwrap().capture.is_unused());
    save(&store, "a").await;
}

/// The table is made when changes are first captured, and looked at by `health`.
#[tokio::test]
async fn the_table_of_changes_is_made_with_the_first_capture() {
    let place = DynamoPlace::new();
    let store = prepared(&place).await;
    let exists = async || {
        let table = place.client().describe_table().table_name(place.table("_changes"));
        table.send().await.is_ok()
    };
    assert!(!exists().await);
    store.update_store_record(hold()).await.unwrap();
    assert!(exists().await && store.health(&HealthDepth::Quick).await.unwrap().is_ok());
    let client = place.client();
    client.delete_table().table_name(place.table("_changes")).send().await.unwrap();
    assert!(!store.health(&HealthDepth::Quick).await.unwrap().is_ok());
    // It is made again by whoever holds the capture next.
    store.update_store_record(hold()).await.unwrap();
    save(&store, "a").await;
    assert_eq!(read(&store).await.0, ["a"]);
}

#[tokio::test]
async fn a_store_of_an_older_layout_captures_after_its_upgrade() {
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
        store.update_store_record(hold()).await.map(drop).unwrap_err(),
        store.head().await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.hint_text().unwrap().contains("upgrade_layout"), "{error}");
    }
    save(&store, "a").await;
    assert_eq!(store.upgrade_layout().await.unwrap(), Some(2));
    store.update_store_record(hold()).await.unwrap();
    save(&store, "b").await;
    assert_eq!(read(&store).await.0, ["b"]);
}

/// A handle that does not know yet that capture has ended leaves something behind. It
/// is never delivered, and removed by the next capture.
#[tokio::test]
async fn what_an_ended_capture_left_is_never_delivered() {
    let place = DynamoPlace::new();
    let store = prepared(&place).await;
    let other = place.open_as(place.settings()).await.unwrap();
    store.update_store_record(hold()).await.unwrap();
    save(&other, "a").await;
    assert_eq!(read(&store).await.0, ["a"]);
    store.update_store_record(release()).await.unwrap();
    assert_eq!(places(&place).await, []);
    save(&other, "b").await;
    assert_eq!(places(&place).await.len(), 1);
    store.update_store_record(hold()).await.unwrap();
    assert_eq!(places(&place).await, []);
    assert_eq!(read(&store).await.0, Vec::<String>::new());
    save(&other, "c").await;
    assert_eq!(read(&store).await.0, ["c"]);
    assert!(places(&place).await.iter().all(|(shard, _)| shard.starts_with("2.")));
}

#[tokio::test]
async fn what_is_trimmed_is_removed() {
    let place = DynamoPlace::new();
    let store = prepared(&place).await;
    store.update_store_record(hold()).await.unwrap();
    for id in ["a", "b", "c", "d"] {
        save(&store, id).await;
    }
    let (_, end) = read(&store).await;
    let blocks = async || {
        let places = places(&place).await;
        places.iter().filter(|(_, place)| place.starts_with('b')).count()
    };
    assert!(blocks().await > 0);
    store.trim_changes(&end).await.unwrap();
    assert_eq!(blocks().await, 0);
    assert_eq!(store.head().await.unwrap(), end);
}

/// What is being loaded cannot be captured: another run's load is waited for, one's
/// own ends.
#[tokio::test]
async fn capture_and_loads_exclude_each_other() {
    let place = DynamoPlace::new();
    let store = prepared(&place).await;
    let other = place.open_as(place.settings()).await.unwrap();
    other.prepare_for_load(&[schema("notes")]).await.unwrap();
    let error = store.update_store_record(hold()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(error.context_value("collection"), Some("notes"));
    assert!(!store.store_record().await.unwrap().capture.is_on());
    other.update_store_record(hold()).await.unwrap();
    assert!(store.store_record().await.unwrap().loading.is_empty());
    other.prepare_for_load(&[schema("things")]).await.unwrap();
    assert!(store.store_record().await.unwrap().loading.is_empty());
}
