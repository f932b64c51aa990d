//! What stands in the tables, and what happens to those of others.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::DynamoPlace;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode as AwsBillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, TableDescription,
};
use repo_core::strategy::{
    OpenOptions, PrepareChange, StorageStrategy as _, StorageStrategyExt as _, StoreId, StoreUpdate,
};
use repo_core::{CollectionName, CollectionSchema, Document, EntityId, ErrorKind, Key};
use repo_dynamo::{BillingMode, DynamoSettings, DynamoStrategy};

fn machines(indexes: &str) -> CollectionSchema {
    CollectionSchema::parse(&format!(
        "{{\"x-repository\": {{\"collection\": \"machines\", \"idField\": \"machine_id\", \
          \"indexes\": {indexes}}}}}"
    ))
    .unwrap()
}

fn key(id: &str) -> Key {
    Key::new(CollectionName::new("machines").unwrap(), EntityId::new(id).unwrap())
}

fn machine(id: &str, fields: &str) -> Document {
    Document::parse(&format!("{{\"machine_id\":\"{id}\"{fields}}}")).unwrap()
}

async fn prepared(place: &DynamoPlace, indexes: &str) -> DynamoStrategy {
    let store = place.open_as(place.settings()).await.unwrap();
    store.prepare(&[machines(indexes)]).await.unwrap();
    store
}

async fn describe(place: &DynamoPlace, collection: &str) -> TableDescription {
    let answer = place.client().describe_table().table_name(place.table(collection)).send().await;
    answer.unwrap().table.unwrap()
}

async fn raw(place: &DynamoPlace, id: &str) -> Option<BTreeMap<String, AttributeValue>> {
    let request = place
        .client()
        .get_item()
        .table_name(place.table("machines"))
        .key("machine_id", AttributeValue::S(id.to_owned()))
        .consistent_read(true);
    request.send().await.unwrap().item.map(|item| item.into_iter().collect())
}

fn keys(elements: Option<&[KeySchemaElement]>) -> Vec<(String, KeyType)> {
    let elements = elements.unwrap_or_default().iter();
    elements.map(|e| (e.attribute_name.clone(), e.key_type.clone())).collect()
}

#[tokio::test]
async fn tables_have_the_keys_and_indexes_of_the_design() {
    let place = DynamoPlace::new();
    prepared(&place, r#"[["status"], ["template_id", "created_at"]]"#).await;
    let table = describe(&place, "machines").await;
    assert_eq!(keys(table.key_schema.as_deref()), [("machine_id".to_owned(), KeyType::Hash)]);
    let mode = table.billing_mode_summary.as_ref().unwrap().billing_mode.clone();
    assert_eq!(mode, Some(AwsBillingMode::PayPerRequest));
    let names: BTreeSet<&str> = table
        .global_secondary_indexes()
        .iter()
        .map(|index| index.index_name.as_deref().unwrap())
        .collect();
    assert_eq!(names, BTreeSet::from(["status-index", "template_id-created_at-index"]));
    for index in table.global_secondary_indexes() {
        let name = index.index_name.clone().unwrap();
        let expected =
            [(format!("{name}.hash"), KeyType::Hash), (format!("{name}.range"), KeyType::Range)];
        assert_eq!(keys(index.key_schema.as_deref()), expected);
    }
    for attribute in table.attribute_definitions() {
        assert_eq!(attribute.attribute_type, ScalarAttributeType::S);
    }
    assert_described(&place, r#"[["status"], ["template_id", "created_at"]]"#, &table);
    let own = describe(&place, "_store").await;
    assert_eq!(keys(own.key_schema.as_deref()), [("_key".to_owned(), KeyType::Hash)]);
}

/// The definitions that are printed are those of the tables that are made.
fn assert_described(place: &DynamoPlace, indexes: &str, table: &TableDescription) {
    let settings = serde_json::json!({ "table_prefix": place.prefix });
    let printed = repo_dynamo::table_definitions(&settings, &[machines(indexes)]).unwrap();
    let [own, printed] = &printed[..] else { panic!("{printed:?}") };
    assert_eq!(own["TableName"], place.table("_store"));
    assert_eq!(printed["TableName"], table.table_name.as_deref().unwrap());
    let names = |list: &serde_json::Value, name: &str| -> BTreeSet<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|entry| entry[name].as_str().unwrap().to_owned()).collect()
    };
    let attributes = table.attribute_definitions().iter().map(|a| a.attribute_name.clone());
    assert_eq!(names(&printed["AttributeDefinitions"], "AttributeName"), attributes.collect());
    for index in table.global_secondary_indexes() {
        let printed = printed["GlobalSecondaryIndexes"].as_array().unwrap();
        let same = printed.iter().find(|p| p["IndexName"] == *index.index_name.as_ref().unwrap());
        let keys = keys(index.key_schema.as_deref()).into_iter().map(|(name, _)| name);
        assert_eq!(names(&same.unwrap()["KeySchema"], "AttributeName"), keys.collect());
    }
}

#[tokio::test]
async fn tables_are_billed_as_the_settings_say() {
    let place = DynamoPlace::new();
    let settings = DynamoSettings {
        billing_mode: BillingMode::Provisioned,
        read_capacity: 7,
        write_capacity: 3,
        ..place.settings()
    };
    let store = place.open_as(settings.clone()).await.unwrap();
    store.prepare(&[machines(r#"[["status"]]"#)]).await.unwrap();
    // An index is paid for as its table is, whatever the settings say now.
    let later = DynamoSettings { billing_mode: BillingMode::PayPerRequest, ..settings };
    let store = place.open_as(later).await.unwrap();
    store.prepare(&[machines(r#"[["status"], ["zone"]]"#)]).await.unwrap();
    let table = describe(&place, "machines").await;
    let units = |throughput: Option<&aws_sdk_dynamodb::types::ProvisionedThroughputDescription>| {
        let throughput = throughput.unwrap();
        (throughput.read_capacity_units, throughput.write_capacity_units)
    };
    assert_eq!(units(table.provisioned_throughput.as_ref()), (Some(7), Some(3)));
    assert_eq!(table.global_secondary_indexes().len(), 2);
    for index in table.global_secondary_indexes() {
        assert_eq!(units(index.provisioned_throughput.as_ref()), (Some(7), Some(3)));
    }
}

#[tokio::test]
async fn an_item_has_the_attributes_of_the_design() {
    let place = DynamoPlace::new();
    let store = prepared(&place, r#"[["status"], ["template_id", "created_at"]]"#).await;
    let number = "12345678901234567890123456789012345678e-20";
    let fields = format!(",\"status\":\"RUNNING\",\"template_id\":null,\"price\":{number}");
    store.save(key("m-1"), machine("m-1", &fields)).await.unwrap();
    let item = raw(&place, "m-1").await.unwrap();
    let names: Vec<&str> = item.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "_created_at",
            "_indexed",
            "_updated_at",
            "_version",
            "document",
            "machine_id",
            "status-index.hash",
            "status-index.range",
            "template_id-created_at-index.hash",
            "template_id-created_at-index.range",
        ]
    );
    let text = |name: &str| item[name].as_s().unwrap().as_str();
    assert_eq!((text("status-index.hash"), text("status-index.range")), ("5RUNNING", "m-1"));
    assert_eq!(text("template_id-created_at-index.hash"), "1");
    assert_eq!(text("template_id-created_at-index.range"), "0\0m-1");
    let document = item["document"].as_m().unwrap();
    assert_eq!(document["price"].as_n().unwrap(), "123456789012345678.90123456789012345678");
    assert_eq!(document["template_id"], AttributeValue::Null(true));

    store.delete(key("m-1")).await.unwrap();
    let item = raw(&place, "m-1").await.unwrap();
    let names: Vec<&str> = item.keys().map(String::as_str).collect();
    assert_eq!(names, ["_indexed", "_updated_at", "_version", "machine_id"]);
    assert_eq!(item["_version"].as_n().unwrap(), "2");
}

/// Saves, again while the outcome is unknown: DynamoDB Local may fail inside
/// when a write meets the making of an index.
async fn save_again(store: &DynamoStrategy, id: &str, fields: &str) {
    loop {
        match store.save(key(id), machine(id, fields)).await {
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {}
            saved => return drop(saved.unwrap()),
        }
    }
}

#[tokio::test]
async fn a_gained_index_is_filled_and_a_lost_one_dropped() {
    let place = DynamoPlace::new();
    let store = prepared(&place, r#"[["status"]]"#).await;
    let other = place.open_as(place.settings()).await.unwrap();
    for n in 0..30 {
        let id = format!("m-{n}");
        let fields = format!(",\"status\":\"on\",\"zone\":\"z{}\"", n % 3);
        store.save(key(&id), machine(&id, &fields)).await.unwrap();
    }
    // The other handle knows the old indexes, and writes while a new one is made.
    let name = CollectionName::new("machines").unwrap();
    other.save(key("m-0"), machine("m-0", ",\"zone\":\"z0\"")).await.unwrap();
    let writes = async {
        for n in 30..60 {
            save_again(&other, &format!("m-{n}"), ",\"zone\":\"z0\"").await;
            save_again(&other, "m-1", ",\"zone\":\"z1\"").await;
            tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        }
    };
    let schemas = [machines(r#"[["zone"]]"#)];
    let (prepared, ()) = tokio::join!(store.prepare(&schemas), writes);
    assert_eq!(prepared.unwrap()[0].change, PrepareChange::Updated);
    let table = describe(&place, "machines").await;
    let [index] = table.global_secondary_indexes() else { panic!("{table:?}") };
    assert_eq!(index.index_name.as_deref(), Some("zone-index"));
    let filter = repo_core::Filter::parse(r#"{"zone": "z0"}"#).unwrap();
    let query = repo_core::Query::new(filter);
    for handle in [&store, &other] {
        let eventual = handle.query(&name, &query).await.unwrap();
        let strong = handle.query(&name, &query.clone().strong()).await.unwrap();
        let ids = |page: &repo_core::Page| -> BTreeSet<String> {
            page.entities.iter().map(|entity| entity.id.to_string()).collect()
        };
        assert_eq!(ids(&eventual).len(), 40);
        assert_eq!(ids(&eventual), ids(&strong));
        assert_eq!(strong.plan, repo_core::Plan::Scan);
    }
    let page = store.query(&name, &query).await.unwrap();
    assert_eq!(page.plan, repo_core::Plan::Index { name: "zone-index".to_owned() });
}

/// Makes a table as somebody else might.
async fn foreign(place: &DynamoPlace, collection: &str, key: &str) {
    let attribute = AttributeDefinition::builder()
        .attribute_name(key)
        .attribute_type(ScalarAttributeType::S)
        .build();
    let element = KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash).build();
    let client = place.client();
    let request = client
        .create_table()
        .table_name(place.table(collection))
        .attribute_definitions(attribute.unwrap())
        .key_schema(element.unwrap())
        .billing_mode(AwsBillingMode::PayPerRequest);
    request.send().await.unwrap();
    let request = client.put_item().table_name(place.table(collection));
    request.item(key, AttributeValue::S("theirs".to_owned())).send().await.unwrap();
}

async fn items(place: &DynamoPlace, collection: &str) -> i32 {
    place.client().scan().table_name(place.table(collection)).send().await.unwrap().count
}

#[tokio::test]
async fn a_table_of_somebody_else_is_refused_unaltered() {
    for key in ["machine_id", "their_key"] {
        let place = DynamoPlace::new();
        foreign(&place, "machines", key).await;
        let before = describe(&place, "machines").await;
        let store = place.open_as(place.settings()).await.unwrap();
        for _ in 0..2 {
            let error = store.prepare(&[machines(r#"[["status"]]"#)]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
            assert!(error.to_string().contains(&place.table("machines")), "{error}");
        }
        assert_eq!(store.collections().await.unwrap(), []);
        let after = describe(&place, "machines").await;
        assert_eq!(after.key_schema, before.key_schema);
        assert_eq!(after.global_secondary_indexes().len(), 0);
        assert_eq!(items(&place, "machines").await, 1);
    }
}

#[tokio::test]
async fn a_store_table_of_somebody_else_is_refused_unaltered() {
    for key in ["_key", "their_key"] {
        let place = DynamoPlace::new();
        foreign(&place, "_store", key).await;
        let opened = place.open_as(place.settings()).await;
        let refused = match opened {
            Err(error) => error,
            Ok(store) => store.prepare(&[machines("[]")]).await.unwrap_err(),
        };
        assert_eq!(refused.kind(), ErrorKind::Foreign, "{refused}");
        assert_eq!(items(&place, "_store").await, 1);
    }
}

#[tokio::test]
async fn a_missing_table_is_named_and_made_again_by_prepare() {
    let place = DynamoPlace::new();
    let store = prepared(&place, "[]").await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    place.client().delete_table().table_name(place.table("machines")).send().await.unwrap();
    for error in [
        store.get(&key("a").collection, &key("a").id).await.map(drop).unwrap_err(),
        store.save(key("a"), machine("a", "")).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.hint_text().unwrap().contains("`prepare`"), "{error:?}");
        assert_eq!(error.context_value("table"), Some(place.table("machines").as_str()));
    }
    assert!(!store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
    let prepared = store.prepare(&[machines("[]")]).await.unwrap();
    assert_eq!(prepared[0].change, PrepareChange::Created);
    store.save(key("a"), machine("a", "")).await.unwrap();
}

#[tokio::test]
async fn a_newer_layout_is_refused_at_open() {
    let place = DynamoPlace::new();
    prepared(&place, "[]").await;
    let request = place
        .client()
        .update_item()
        .table_name(place.table("_store"))
        .key("_key", AttributeValue::S("store".to_owned()))
        .update_expression("SET #record.layout_version = :newer")
        .expression_attribute_names("#record", "record")
        .expression_attribute_values(":newer", AttributeValue::N("4".to_owned()));
    request.send().await.unwrap();
    let error = place.open_as(place.settings()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("newer"), "{error}");
}

#[tokio::test]
async fn an_older_layout_is_used_as_it_is_until_it_is_upgraded() {
    let place = DynamoPlace::new();
    let store = prepared(&place, "[]").await;
    // As the version before layout 2 made it.
    let request = place
        .client()
        .update_item()
        .table_name(place.table("_store"))
        .key("_key", AttributeValue::S("store".to_owned()))
        .update_expression("SET #record.layout_version = :older REMOVE #record.id")
        .expression_attribute_names("#record", "record")
        .expression_attribute_values(":older", AttributeValue::N("1".to_owned()));
    request.send().await.unwrap();
    let layout = async |store: &DynamoStrategy| {
        let record = store.store_record().await.unwrap();
        (record.layout_version, record.id)
    };
    assert_eq!(layout(&store).await, (1, None));
    store.prepare(&[machines("[]")]).await.unwrap();
    store.save(key("a"), machine("a", "")).await.unwrap();
    let (expected, id) = (StoreId::random().unwrap(), StoreId::random().unwrap());
    let refused = store.update_store_record(StoreUpdate::Id { expected, id }).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(layout(&store).await, (1, None));
    let other = place.open_as(place.settings()).await.unwrap();
    assert_eq!(layout(&other).await, (1, None));
    assert_eq!(other.upgrade_layout().await.unwrap(), Some(1));
    assert_eq!(other.upgrade_layout().await.unwrap(), None);
    let (version, id) = layout(&other).await;
    assert!(version == 3 && id.is_some());
    assert_eq!(layout(&store).await, (version, id));
    store.save(key("b"), machine("b", "")).await.unwrap();
}

#[tokio::test]
async fn an_item_of_another_program_is_corrupt_and_named() {
    let place = DynamoPlace::new();
    let store = prepared(&place, "[]").await;
    let request = place.client().put_item().table_name(place.table("machines"));
    let text = |text: &str| AttributeValue::S(text.to_owned());
    request.item("machine_id", text("theirs")).item("x", text("y")).send().await.unwrap();
    let id = EntityId::new("theirs").unwrap();
    let error = store.get(&key("a").collection, &id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.context_value("id"), Some("theirs"));
}

#[tokio::test]
async fn an_id_field_that_cannot_be_a_key_is_refused() {
    let place = DynamoPlace::new();
    let store = prepared(&place, "[]").await;
    let mut schema = machines("[]");
    schema.id_field = repo_core::FieldPath::parse("document").unwrap();
    schema.collection = CollectionName::new("notes").unwrap();
    let error = store.prepare(&[schema]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let mut other = machines("[]");
    other.id_field = repo_core::FieldPath::parse("name").unwrap();
    let error = store.prepare(&[other]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
}

#[tokio::test]
async fn two_that_prepare_at_once_make_one_store() {
    for _ in 0..20 {
        make_one_store_at_once().await;
    }
}

async fn make_one_store_at_once() {
    let place = DynamoPlace::new();
    let one = place.open_as(place.settings()).await.unwrap();
    let two = DynamoStrategy::open_with(&place.config, place.settings(), OpenOptions::default());
    let two = two.await.unwrap();
    let schemas = [machines(r#"[["status"]]"#)];
    let (first, second) = tokio::join!(one.prepare(&schemas), two.prepare(&schemas));
    first.unwrap();
    second.unwrap();
    one.save(key("a"), machine("a", "")).await.unwrap();
    assert_eq!(two.save(key("a"), machine("a", "")).await.unwrap().version.get(), 2);
}
