//! Values that DynamoDB's own indexes refuse or hide, and exact numbers.

use std::collections::BTreeSet;

use crate::common::DynamoPlace;
use repo_core::strategy::{StorageStrategy as _, StorageStrategyExt as _};
use repo_core::{
    CollectionName, CollectionSchema, Cursor, Document, EntityId, Filter, Key, Page, Plan, Query,
    Value,
};
use repo_dynamo::{DynamoSettings, DynamoStrategy};

fn name() -> CollectionName {
    CollectionName::new("machines").unwrap()
}

async fn store(place: &DynamoPlace) -> DynamoStrategy {
    let store = place.open_as(place.settings()).await.unwrap();
    let schema = CollectionSchema::parse(
        r#"{"x-repository": {"collection": "machines", "idField": "machine_id",
            "indexes": [["status"], ["owner", "at"]]}}"#,
    );
    store.prepare(&[schema.unwrap()]).await.unwrap();
    store
}

async fn save(store: &DynamoStrategy, id: &str, fields: &str) {
    let document = Document::parse(&format!("{{\"machine_id\":\"{id}\"{fields}}}")).unwrap();
    store.save(Key::new(name(), EntityId::new(id).unwrap()), document).await.unwrap();
}

fn query(filter: &str) -> Query {
    Query::new(Filter::parse(filter).unwrap())
}

fn ids(page: &Page) -> Vec<&str> {
    page.entities.iter().map(|entity| entity.id.as_str()).collect()
}

#[tokio::test]
async fn every_kind_of_value_in_an_indexed_field_is_stored_and_found() {
    let place = DynamoPlace::new();
    let store = store(&place).await;
    let long = format!("\"{}\"", "é".repeat(500));
    let values = [
        ("null", "null"),
        ("empty", "\"\""),
        ("long", long.as_str()),
        ("number", "1.50"),
        ("negative", "-12345678901234567890123456789012345678"),
        ("true", "true"),
        ("false", "false"),
        ("array", "[1,\"a\"]"),
        ("object", "{\"a\":null}"),
        ("text", "\"RUNNING\""),
    ];
    save(&store, "missing", "").await;
    for (id, value) in values {
        save(&store, id, &format!(",\"status\":{value},\"owner\":{value},\"at\":{value}")).await;
    }
    for (id, value) in values {
        for (filter, index) in [
            (format!("{{\"status\":{{\"$eq\":{value}}}}}"), "status-index"),
            (
                format!("{{\"owner\":{{\"$eq\":{value}}},\"at\":{{\"$eq\":{value}}}}}"),
                "owner-at-index",
            ),
        ] {
            let page = store.query(&name(), &query(&filter)).await.unwrap();
            assert_eq!(ids(&page), [id], "{filter}");
            assert_eq!(page.plan, Plan::Index { name: index.to_owned() });
            let strong = store.query(&name(), &query(&filter).strong()).await.unwrap();
            assert_eq!((ids(&strong), &strong.plan), (vec![id], &Plan::Scan));
        }
    }
    let page = store.query(&name(), &query(r#"{"status":{"$exists":false}}"#)).await.unwrap();
    assert_eq!((ids(&page), &page.plan), (vec!["missing"], &Plan::Scan));
}

#[tokio::test]
async fn numbers_are_exact_to_the_last_digit() {
    let place = DynamoPlace::new();
    let store = store(&place).await;
    let numbers = [
        "0",
        "-0.0",
        "1.50",
        "0.1",
        "12345678901234567890",
        "99999999999999999999999999999999999999",
        "9.9999999999999999999999999999999999999e125",
        "-9.9999999999999999999999999999999999999e125",
        "1e-130",
        "-1e-130",
        "1.2345678901234567890123456789012345678e-92",
        "123456789012345678901234567.89012345678",
    ];
    for (at, number) in numbers.iter().enumerate() {
        let id = format!("n{at}");
        save(&store, &id, &format!(",\"n\":{number},\"status\":{number}")).await;
        let found = store.get(&name(), &EntityId::new(&id).unwrap()).await.unwrap().unwrap();
        let path = repo_core::FieldPath::parse("n").unwrap();
        assert_eq!(found.document.get(&path), Some(Value::parse(number).unwrap()), "{number}");
    }
    let near = r#"{"status": 12345678901234567891}"#;
    assert_eq!(store.query(&name(), &query(near)).await.unwrap().entities.len(), 0);
}

/// Every page of a query, the consistency of each chosen by its number.
async fn pages(
    store: &DynamoStrategy,
    query: &Query,
    strong: impl Fn(usize) -> bool,
) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), None::<Cursor>);
    for at in 0..1_000 {
        let mut page = query.clone();
        if let Some(cursor) = next.take() {
            page = page.after(cursor);
        }
        if strong(at) {
            page = page.strong();
        }
        let page = store.query(&name(), &page).await.unwrap();
        found.extend(page.entities.iter().map(|entity| entity.id.to_string()));
        match page.next {
            Some(cursor) => next = Some(cursor),
            None => return found,
        }
    }
    panic!("the pages do not end");
}

#[tokio::test]
async fn pages_by_index_and_by_scan_go_on_from_each_other() {
    let place = DynamoPlace::new();
    let store = store(&place).await;
    for n in 0..60 {
        let fields = format!(
            ",\"status\":\"s{}\",\"owner\":\"o{}\",\"at\":{}",
            n % 3,
            n % 2,
            [5, 3, 3, 1][n % 4]
        );
        save(&store, &format!("m{n:02}"), &fields).await;
    }
    for (filter, order) in [
        (r#"{"status":{"$in":["s0","s2"]}}"#, None),
        (r#"{"owner":"o1"}"#, None),
        (r#"{"owner":"o1"}"#, Some("at")),
        (r#"{"owner":"o0"}"#, Some("at:desc")),
        (r#"{"owner":"o0","at":{"$gt":1}}"#, Some("at:desc")),
        (r#"{"status":"s1"}"#, Some("at")),
    ] {
        let mut wanted = query(filter).limit(4).unwrap();
        if let Some(order) = order {
            wanted = wanted.order_by(order).unwrap();
        }
        let whole = pages(&store, &wanted, |_| true).await;
        for strong in [|_| false, |at| at % 2 == 1, |at: usize| at.is_multiple_of(2)] {
            let found = pages(&store, &wanted, strong).await;
            let distinct: BTreeSet<&String> = found.iter().collect();
            assert_eq!(distinct.len(), found.len(), "{filter} by {order:?} repeats");
            assert_eq!(distinct, whole.iter().collect(), "{filter} by {order:?}");
            if order.is_some() {
                assert_eq!(found, whole, "{filter} by {order:?}");
            }
        }
    }
}

#[tokio::test]
async fn consistent_reads_make_every_query_a_scan() {
    let place = DynamoPlace::new();
    store(&place).await;
    let settings = DynamoSettings { consistent_reads: true, ..place.settings() };
    let store = place.open_as(settings).await.unwrap();
    save(&store, "a", ",\"status\":\"on\"").await;
    let page = store.query(&name(), &query(r#"{"status":"on"}"#)).await.unwrap();
    assert_eq!((ids(&page), &page.plan), (vec!["a"], &Plan::Scan));
}
