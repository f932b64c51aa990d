//! Tables of another program, as a broker writes them: `{prefix}-machines`, the key
//! `id`, and every field an attribute.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue as A, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use repo_core::strategy::{
    OnUnreadable, OpenOptions, Record, ScanOptions, Segment, StorageStrategy,
    StorageStrategyExt as _, StoreUpdate,
};
use repo_core::{
    CollectionName, CollectionSchema, Consistency, Document, EntityId, Error, ErrorKind, Filter,
    HealthDepth, Key, Plan, Query, Schemas, Timestamp,
};
use repo_dynamo::DynamoStrategy;

use crate::common::DynamoPlace;

type Store = Arc<dyn StorageStrategy>;

fn name(text: &str) -> CollectionName {
    CollectionName::new(text).unwrap()
}

fn schemas() -> Schemas {
    ["machines", "requests"]
        .map(|name| {
            let id = format!("{}_id", name.strip_suffix('s').unwrap());
            CollectionSchema::builder(name, &id).index(&["status"]).build().unwrap()
        })
        .into_iter()
        .collect()
}

fn reading(schemas: Schemas) -> OpenOptions {
    OpenOptions::default().with_read_only(true).with_schemas(Arc::new(schemas))
}

async fn try_open(place: &DynamoPlace, options: OpenOptions) -> Result<Store, Error> {
    DynamoStrategy::open_any_with(&place.config, place.settings(), options).await
}

async fn open(place: &DynamoPlace) -> Store {
    try_open(place, reading(schemas())).await.unwrap()
}

/// Makes a table as another program would.
async fn create(place: &DynamoPlace, table: &str, keys: &[(&str, KeyType, ScalarAttributeType)]) {
    let mut request =
        place.client().create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    for (name, kind, of) in keys {
        let element = KeySchemaElement::builder().attribute_name(*name).key_type(kind.clone());
        let definition =
            AttributeDefinition::builder().attribute_name(*name).attribute_type(of.clone());
        request = request
            .key_schema(element.build().unwrap())
            .attribute_definitions(definition.build().unwrap());
    }
    request.send().await.unwrap();
}

async fn broker_table(place: &DynamoPlace, collection: &str) -> String {
    let table = format!("{}-{collection}", place.prefix);
    create(place, &table, &[("id", KeyType::Hash, ScalarAttributeType::S)]).await;
    table
}

async fn put(place: &DynamoPlace, table: &str, item: HashMap<String, A>) {
    place.client().put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

fn s(text: &str) -> A {
    A::S(text.to_owned())
}

/// What the broker makes of a machine: floats are numbers, absent values NULL.
fn machine(n: usize) -> HashMap<String, A> {
    let id = format!("i-{n:03}");
    HashMap::from([
        ("id".to_owned(), s(&id)),
        ("machine_id".to_owned(), s(&id)),
        ("status".to_owned(), s(if n.is_multiple_of(2) { "running" } else { "stopped" })),
        ("return_request_id".to_owned(), A::Null(true)),
        ("price".to_owned(), A::N(format!("0.{n:03}1"))),
        ("tags".to_owned(), A::M(HashMap::from([("Owner".to_owned(), s("Größe"))]))),
        ("security_group_ids".to_owned(), A::L(vec![s("sg-1")])),
        ("zones".to_owned(), A::Ss(vec!["b".to_owned(), "a".to_owned()])),
        ("version".to_owned(), A::N("0".to_owned())),
    ])
}

async fn filled(place: &DynamoPlace, count: usize) {
    let table = broker_table(place, "machines").await;
    for n in 0..count {
        put(place, &table, machine(n)).await;
    }
}

fn document(n: usize) -> Document {
    let status = if n.is_multiple_of(2) { "running" } else { "stopped" };
    Document::parse(&format!(
        r#"{{"machine_id":"i-{n:03}","status":"{status}","return_request_id":null,
            "price":0.{n:03}1,"tags":{{"Owner":"Größe"}},"security_group_ids":["sg-1"],
            "zones":["a","b"],"version":0}}"#
    ))
    .unwrap()
}

async fn scan(store: &Store, options: ScanOptions) -> Result<Vec<Record>, Error> {
    let batches = repo_testkit::batches(store.scan(&name("machines"), options).await?).await?;
    Ok(batches.concat())
}

#[tokio::test]
async fn items_are_read_field_by_field() {
    let place = DynamoPlace::new();
    filled(&place, 25).await;
    let store = open(&place).await;
    assert_eq!(store.collections().await.unwrap(), [name("machines")]);
    let words = store.foreign().unwrap();
    assert!(words.contains("read as version 1: machines (table "), "{words}");
    assert!(store.invents_versions().await.unwrap());
    assert!(store.capabilities().read_only && store.capabilities().parallel_scan);

    let small = ScanOptions::default().with_batch_size(NonZeroUsize::new(4).unwrap());
    let mut records = scan(&store, small).await.unwrap();
    records.sort_by(|a, b| a.id().cmp(b.id()));
    assert_eq!(records.len(), 25);
    for (n, record) in records.iter().enumerate() {
        assert!(record.document().unwrap().equals(&document(n)), "{record:?}");
        assert_eq!(record.version().get(), 1);
    }
    let ids = ["i-007", "nothing", "i-000", "i-007"].map(|id| EntityId::new(id).unwrap());
    let found = store.get_many(&name("machines"), &ids).await.unwrap();
    let found: Vec<Option<&str>> =
        found.iter().map(|record| record.as_ref().map(|record| record.id().as_str())).collect();
    assert_eq!(found, [Some("i-007"), None, Some("i-000"), Some("i-007")]);
    let all = Filter::default();
    assert_eq!(store.count(&name("machines"), &all, Consistency::Eventual).await.unwrap(), 25);
    let running = Filter::parse(r#"{"status": "running"}"#).unwrap();
    assert_eq!(store.count(&name("machines"), &running, Consistency::Strong).await.unwrap(), 13);
    let health = store.health(&HealthDepth::Quick).await.unwrap();
    assert!(health.is_ok(), "{health:?}");
}

#[tokio::test]
async fn segments_are_disjoint_and_complete_and_pages_go_on() {
    let place = DynamoPlace::new();
    filled(&place, 40).await;
    let store = open(&place).await;
    let mut ids = Vec::new();
    for segment in Segment::split(NonZeroUsize::new(3).unwrap()) {
        let records = scan(&store, ScanOptions::default().with_segment(segment)).await.unwrap();
        ids.extend(records.iter().map(|record| record.id().to_string()));
    }
    ids.sort();
    let expected: Vec<String> = (0..40).map(|n| format!("i-{n:03}")).collect();
    assert_eq!(ids, expected);

    for order in [None, Some("price")] {
        let mut query = Query::new(Filter::parse(r#"{"status": "running"}"#).unwrap());
        query = query.limit(7).unwrap();
        if let Some(field) = order {
            query = query.order_by(field).unwrap();
        }
        let (mut found, mut next) = (Vec::new(), query.clone());
        loop {
            let page = store.query(&name("machines"), &next).await.unwrap();
            assert_eq!(page.plan, Plan::Scan);
            found.extend(page.entities.iter().map(|entity| entity.id.to_string()));
            match page.next {
                Some(cursor) => next = query.clone().after(cursor),
                None => break,
            }
        }
        let mut sorted = found.clone();
        sorted.sort();
        let running: Vec<String> = (0..40).step_by(2).map(|n| format!("i-{n:03}")).collect();
        assert_eq!(sorted, running, "{order:?}");
        if order.is_some() {
            assert_eq!(found, running);
        }
    }
}

#[tokio::test]
async fn an_item_that_is_no_document_is_named_or_set_aside() {
    let place = DynamoPlace::new();
    filled(&place, 3).await;
    let table = format!("{}-machines", place.prefix);
    let mut broken = machine(7);
    broken.insert("key".to_owned(), A::B(Blob::new([1, 2])));
    put(&place, &table, broken).await;
    let store = open(&place).await;
    let error = scan(&store, ScanOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(error.context_value("key"), Some("machines/i-007"));
    assert_eq!(error.context_value("attribute"), Some("key"));
    assert!(error.context_value("reason").unwrap().contains("a binary value"));

    let past = try_open(&place, reading(schemas()).with_unreadable(OnUnreadable::SetAside));
    let past = past.await.unwrap();
    let mut stream = past.scan(&name("machines"), ScanOptions::default()).await.unwrap();
    let (mut read, mut aside) = (0, Vec::new());
    while let Some(batch) = futures::TryStreamExt::try_next(&mut stream).await.unwrap() {
        read += batch.records.len();
        aside.extend(batch.unreadable);
    }
    assert_eq!((read, aside.len()), (3, 1));
    assert_eq!(aside[0].id, "i-007");
    let stored = String::from_utf8(aside[0].stored.clone().unwrap()).unwrap();
    assert!(stored.contains(r#""key":{"B":"AQI="}"#), "{stored}");
}

#[tokio::test]
async fn what_is_not_read_is_refused_in_words() {
    let place = DynamoPlace::new();
    let error = try_open(&place, reading(schemas())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let looked_for = error.context_value("looked_for").unwrap();
    assert!(looked_for.contains(&format!("{}-machines", place.prefix)), "{error}");

    filled(&place, 1).await;
    // Who looks at a target wants no source.
    let target = try_open(&place, reading(schemas()).with_foreign(false)).await.unwrap_err();
    assert_eq!(target.kind(), ErrorKind::NotFound, "{target}");
    // Nothing is made, and nothing is written.
    let error = try_open(&place, OpenOptions::default()).await;
    assert!(error.is_ok(), "opening for writing is left to `prepare`");
    let store = open(&place).await;
    let key = Key::new(name("machines"), EntityId::new("i-000").unwrap());
    let now = Timestamp::from_micros(0).unwrap();
    let floor = StoreUpdate::RaiseFloor { collection: key.collection.clone(), floor: 1 };
    for error in [
        store.prepare(&[]).await.map(drop).unwrap_err(),
        store.save(key.clone(), document(0)).await.map(drop).unwrap_err(),
        store.delete(key.clone()).await.map(drop).unwrap_err(),
        store.purge(&key.collection, now).await.map(drop).unwrap_err(),
        store.update_store_record(floor).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    let error = store.query(&name("requests"), &Query::all()).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    store.close().await.unwrap();
    let error = scan(&store, ScanOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
}

#[tokio::test]
async fn tables_that_cannot_be_meant_say_why() {
    let sorted = [
        ("id", KeyType::Hash, ScalarAttributeType::S),
        ("at", KeyType::Range, ScalarAttributeType::S),
    ];
    let number = [("id", KeyType::Hash, ScalarAttributeType::N)];
    for (keys, why) in [(&sorted[..], "sort key"), (&number[..], "no text")] {
        let place = DynamoPlace::new();
        create(&place, &format!("{}-machines", place.prefix), keys).await;
        let error = try_open(&place, reading(schemas())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
        assert!(error.context_value("as_a_source").unwrap().contains(why), "{error}");
    }
    let place = DynamoPlace::new();
    filled(&place, 0).await;
    let key = [("machine_id", KeyType::Hash, ScalarAttributeType::S)];
    create(&place, &place.table("machines"), &key).await;
    let error = try_open(&place, reading(schemas())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
    assert!(error.context_value("tables").unwrap().contains("_machines"), "{error}");
}

#[tokio::test]
async fn a_table_of_another_name_is_named_by_the_schema() {
    let place = DynamoPlace::new();
    let table = format!("{}-things", place.prefix);
    create(&place, &table, &[("host", KeyType::Hash, ScalarAttributeType::S)]).await;
    put(&place, &table, HashMap::from([("host".to_owned(), s("h-1"))])).await;
    for named in ["things", table.as_str()] {
        let schema = CollectionSchema::builder("machines", "host").table(named).build().unwrap();
        let store = try_open(&place, reading(Schemas::from_iter([schema]))).await.unwrap();
        let records = scan(&store, ScanOptions::default()).await.unwrap();
        assert_eq!(records[0].document().unwrap().to_string(), r#"{"host":"h-1"}"#);
    }
}
