//! What fits into an index, whatever a document holds in an indexed field.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use crate::common::{Store, collection, options};
use crate::postgres::PostgresPlace;
use repo_core::strategy::{PrepareChange, StorageStrategyExt as _};
use repo_core::{
    CollectionSchema, Consistency, Document, EntityId, ErrorKind, Filter, Key, Precondition, Query,
    Write,
};
use repo_testkit::Place as _;
use serde_json::{Value as Json, json};

fn schema(indexes: &Json) -> CollectionSchema {
    let text = json!({
        "type": "object",
        "x-repository": { "collection": "things", "idField": "id", "indexes": indexes },
        "properties": {
            "a": { "type": "string" }, "b": { "type": "string" }, "c": { "type": "string" },
            "whole": { "type": "integer" }, "number": { "type": "number" },
            "flag": { "type": "boolean" }, "list": { "type": "array" },
            "map": { "type": "object" }, "mixed": { "type": ["string", "number"] }
        }
    });
    CollectionSchema::parse(&text.to_string()).unwrap()
}

async fn open(place: &PostgresPlace, schema: &CollectionSchema) -> Store {
    place.open(options(std::slice::from_ref(schema))).await.unwrap()
}

async fn prepared(place: &PostgresPlace, indexes: &Json) -> Store {
    let schema = schema(indexes);
    let store = open(place, &schema).await;
    store.prepare(&[schema]).await.unwrap();
    store
}

fn key(id: &str) -> Key {
    Key::new(collection("things"), EntityId::new(id).unwrap())
}

async fn found(store: &Store, filter: &Json) -> Vec<String> {
    let query = Query::new(Filter::parse(&filter.to_string()).unwrap());
    let page = store.query(&collection("things"), &query).await.unwrap();
    let count = store.count(&collection("things"), query.filter(), Consistency::Strong).await;
    assert_eq!(count.unwrap(), page.entities.len() as u64, "{filter}");
    page.entities.iter().map(|entity| entity.id.to_string()).collect()
}

/// Text of `bytes` bytes that nothing makes shorter.
fn random_text(bytes: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(bytes).collect()
}

/// A document with the longest values, each of them new.
fn longest(id: &str, whole: &str) -> Json {
    let long = || random_text(1_000);
    let number = |text: &str| -> Json { serde_json::from_str(text).unwrap() };
    json!({
        "id": id, "a": long(), "b": long(), "c": long(), "mixed": long(), "other": long(),
        "more": long(), "flag": true, "number": number("9.8765432109e125"),
        "whole": number(whole),
    })
}

async fn store_longest(indexes: &Json, id_chars: usize) {
    let place = PostgresPlace::new();
    let store = prepared(&place, indexes).await;
    for _ in 0..5 {
        let id: String = std::iter::repeat_with(|| fastrand::char('\u{10000}'..'\u{1F000}'))
            .take(id_chars)
            .collect();
        let value = longest(&id, "7");
        // 38 digits, which no number of `serde_json` holds.
        let text =
            value.to_string().replace("\"whole\":7", &format!("\"whole\":{}", "9".repeat(38)));
        store.save(key(&id), Document::parse(&text).unwrap()).await.unwrap();
        for field in ["a", "b", "mixed", "other"] {
            assert_eq!(found(&store, &json!({ field: value[field] })).await, [id.as_str()]);
        }
    }
}

#[tokio::test]
async fn the_longest_entries_fit() {
    let indexes = json!([
        ["a"],
        ["a", "b"],
        ["a", "b", "c"],
        ["mixed"],
        ["mixed", "a", "b"],
        ["other", "more", "a"],
        ["whole", "number", "flag", "mixed", "a"],
        ["list"],
        ["map", "a"]
    ]);
    store_longest(&indexes, 255).await;
    // An id that is an indexed field has at most 1,000 bytes itself.
    store_longest(&json!([["id", "a", "b"], ["a", "id"], ["a", "whole", "id", "b"]]), 250).await;
}

#[tokio::test]
async fn a_value_of_another_type_is_stored_and_found() {
    let place = PostgresPlace::new();
    let fields = ["a", "whole", "number", "flag", "list", "map", "mixed", "other"];
    let indexes: Vec<[&str; 1]> = fields.iter().map(|field| [*field]).collect();
    let store = prepared(&place, &json!(indexes)).await;
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-7.25),
        json!(1e100),
        json!(1e-120),
        json!(""),
        json!("text"),
        json!("7"),
        json!("true"),
        json!([]),
        json!([1, "text"]),
        json!({}),
        json!({ "text": 1 }),
    ];
    for field in fields {
        let mut writes = Vec::new();
        for (number, value) in values.iter().enumerate() {
            let id = format!("{field}-{number:02}");
            let document = json!({ "id": id, field: value });
            let document = Document::parse(&document.to_string()).unwrap();
            writes.push(Write::put(key(&id), document, Precondition::Absent));
        }
        store.commit(writes).await.unwrap();
        for (number, value) in values.iter().enumerate() {
            let id = format!("{field}-{number:02}");
            let filter = json!({ field: { "$eq": value } });
            assert_eq!(found(&store, &filter).await, [id], "{filter}");
        }
        let among = |operator: &str, value: Json| json!({ field: { operator: value } });
        let ids = |numbers: &[usize]| -> Vec<String> {
            numbers.iter().map(|number| format!("{field}-{number:02}")).collect()
        };
        assert_eq!(found(&store, &among("$gt", json!(0))).await, ids(&[5, 6]));
        assert_eq!(found(&store, &among("$le", json!(0))).await, ids(&[3, 4]));
        assert_eq!(found(&store, &among("$ge", json!("7"))).await, ids(&[8, 9, 10]));
        assert_eq!(found(&store, &among("$lt", json!("7"))).await, ids(&[7]));
        assert_eq!(found(&store, &among("$begins_with", json!("t"))).await, ids(&[8, 10]));
        assert_eq!(found(&store, &among("$contains", json!("text"))).await, ids(&[8, 12]));
        assert_eq!(found(&store, &among("$in", json!(values))).await.len(), values.len());
    }
}

#[tokio::test]
async fn an_index_over_longer_text_is_refused_before_anything_is_altered() {
    let place = PostgresPlace::new();
    let store = prepared(&place, &json!([["b"]])).await;
    for (id, field, bytes) in [
        ("short", "a", 1_000),
        ("m-2", "a", 1_001),
        ("m-1", "a", 5_000),
        ("other", "mixed", 200_000),
    ] {
        let document = json!({ "id": id, field: random_text(bytes) });
        let document = Document::parse(&document.to_string()).unwrap();
        store.save(key(id), document).await.unwrap();
    }
    for (indexes, field, id) in [
        (json!([["b"], ["a"]]), "/a", "things/m-1"),
        (json!([["b"], ["b", "mixed"]]), "/mixed", "things/other"),
    ] {
        let changed = schema(&indexes);
        let other = open(&place, &changed).await;
        let error = other.prepare(std::slice::from_ref(&changed)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert_eq!(error.context_value("collection"), Some("things"), "{error}");
        assert_eq!(error.context_value("field"), Some(field), "{error}");
        assert_eq!(error.context_value("key"), Some(id), "{error}");
        assert!(error.hint_text().is_some());
    }
    let columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'things_records'::regclass \
                   AND attnum > 0";
    let tool = place.tool().await;
    assert_eq!(tool.query_one(columns, &[]).await.unwrap().get::<_, i64>(0), 6);
    // Once the long ones are shorter, or gone, the index is made.
    for id in ["m-1", "m-2"] {
        store.delete(key(id)).await.unwrap();
    }
    let changed = schema(&json!([["b"], ["a"]]));
    let other = open(&place, &changed).await;
    let done = other.prepare(&[changed]).await.unwrap();
    assert_eq!(done[0].change, PrepareChange::Updated);
}
