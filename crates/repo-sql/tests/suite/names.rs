//! Fields and collections with names that SQL does not like.
#![cfg(feature = "sqlite")]

use crate::common::{Store, collection, options, tool, try_open};
use repo_core::strategy::{PrepareChange, StorageStrategyExt as _};
use repo_core::{CollectionSchema, Document, EntityId, ErrorKind, Filter, Key, Plan, Query, Value};
use serde_json::json;
use tempfile::TempDir;

fn schema(fields: &[&str]) -> CollectionSchema {
    let indexes: Vec<[&str; 1]> = fields.iter().map(|field| [*field]).collect();
    let properties: serde_json::Map<String, serde_json::Value> = fields
        .iter()
        .filter(|field| !field.contains('.'))
        .map(|field| ((*field).to_owned(), json!({ "type": "string" })))
        .collect();
    let text = json!({
        "type": "object",
        "x-repository": { "collection": "odd", "idField": "id", "indexes": indexes },
        "properties": properties,
    });
    CollectionSchema::parse(&text.to_string()).unwrap()
}

async fn finds(store: &Store, field: &str, value: &str) -> (Vec<String>, Plan) {
    let filter = json!({ field: value }).to_string();
    let query = Query::new(Filter::parse(&filter).unwrap());
    let page = store.query(&collection("odd"), &query).await.unwrap();
    (page.entities.iter().map(|entity| entity.id.to_string()).collect(), page.plan)
}

#[tokio::test]
async fn hostile_field_names_are_columns_like_any_other() {
    let long = "x".repeat(200);
    let longer = format!("{long}y");
    let names = [
        "it's",
        "semi;colon; DROP TABLE odd_records; --",
        "ünïcödé 😀",
        "a[0]",
        "a-b",
        "order",
        "rowid",
        "%s ?1 :a @b $c",
        "white\u{a0}space ",
        "\u{202e}rtl",
        &long,
        &longer,
    ];
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("odd.db");
    let schema = schema(&names);
    let store = try_open(&file, options(std::slice::from_ref(&schema))).await.unwrap();
    for expected in [PrepareChange::Created, PrepareChange::Unchanged] {
        let done = store.prepare(std::slice::from_ref(&schema)).await.unwrap();
        assert_eq!(done[0].change, expected);
    }
    for (number, name) in names.iter().enumerate() {
        let id = EntityId::new(&format!("e{number}")).unwrap();
        let text = json!({ "id": id, *name: format!("value {number}") }).to_string();
        let document = Document::parse(&text).unwrap();
        store.save(Key::new(collection("odd"), id), document).await.unwrap();
    }
    for (number, name) in names.iter().enumerate() {
        let (found, plan) = finds(&store, name, &format!("value {number}")).await;
        assert_eq!(found, [format!("e{number}")], "{name}");
        assert!(matches!(plan, Plan::Index { .. }), "{name}: {plan:?}");
        let order = repo_core::Query::all().order_by(&format!("{name}:desc"));
        let page = store.query(&collection("odd"), &order.unwrap()).await.unwrap();
        assert_eq!(page.entities[0].id.as_str(), format!("e{number}"), "{name}");
    }
    let columns: i64 = tool(&file)
        .query_row("SELECT count(*) FROM pragma_table_info('odd')", [], |row| row.get(0))
        .unwrap();
    assert_eq!(columns, 1 + 12 + 4);
}

#[tokio::test]
async fn names_that_sqlite_versions_read_differently_get_no_column() {
    let names = ["say \"x\"", "back\\slash", "tab\there"];
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("odd.db");
    let schema = schema(&names);
    let store = try_open(&file, options(&[])).await.unwrap();
    store.prepare(std::slice::from_ref(&schema)).await.unwrap();
    let id = EntityId::new("e").unwrap();
    for name in names {
        let document = Document::parse(&json!({ "id": "e", name: "v" }).to_string()).unwrap();
        store.save(Key::new(collection("odd"), id.clone()), document).await.unwrap();
        assert_eq!(finds(&store, name, "v").await, (vec!["e".to_owned()], Plan::Scan), "{name}");
        assert_eq!(finds(&store, name, "w").await.0, Vec::<String>::new(), "{name}");
    }
}

#[tokio::test]
async fn escaped_keys_are_found_by_their_name() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("odd.db");
    let schema = schema(&["status"]);
    let store = try_open(&file, options(&[])).await.unwrap();
    store.prepare(&[schema]).await.unwrap();
    let text = r#"{"i\u0064":"e","st\u0061tus":"\u0061","n":1.50}"#;
    let document = Document::parse(text).unwrap();
    let key = Key::new(collection("odd"), EntityId::new("e").unwrap());
    store.save(key.clone(), document.clone()).await.unwrap();
    assert_eq!(finds(&store, "status", "a").await.0, ["e"]);
    let stored = store.get(&key.collection, &key.id).await.unwrap().unwrap();
    assert_eq!(stored.document, document);
    // Not as the text stands there, since SQLite before 3.45 compares that.
    let text: String = tool(&file)
        .query_row("SELECT document FROM odd_records WHERE document LIKE '%\"status\"%'", [], |r| {
            r.get(0)
        })
        .unwrap();
    assert_eq!(Value::parse(&text).unwrap(), document.to_value());
}

#[tokio::test]
async fn names_that_collide_are_refused_before_anything_is_made() {
    for names in [
        &["Status", "status"][..],
        &["GRÖSSE", "grösse"],
        &["document"],
        &["Document"],
        &["ID"],
        &["_Version"],
    ] {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("odd.db");
        let schema = schema(names);
        let store = try_open(&file, options(std::slice::from_ref(&schema))).await.unwrap();
        let error = store.prepare(&[schema]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{names:?}: {error}");
        assert_eq!(error.context_value("collection"), Some("odd"));
        assert!(!file.exists());
    }
}

#[tokio::test]
async fn collection_names_that_sqlite_keeps_for_itself_work() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("odd.db");
    let store = try_open(&file, options(&[])).await.unwrap();
    let long = "z".repeat(48);
    let names = ["sqlite_master", "sqlite_x", "select", "table", "temp", "main", &long];
    let schemas = names.map(|name| CollectionSchema::undeclared(collection(name)));
    store.prepare(&schemas).await.unwrap();
    for name in names {
        let key = Key::new(collection(name), EntityId::new("e").unwrap());
        store.save(key.clone(), Document::parse(r#"{"id":"e"}"#).unwrap()).await.unwrap();
        assert!(store.get(&key.collection, &key.id).await.unwrap().is_some(), "{name}");
    }
}
