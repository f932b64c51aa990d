//! Fields and collections with names that SQL does not like, in PostgreSQL.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use crate::common::{Store, collection, options};
use crate::postgres::PostgresPlace;
use repo_core::strategy::{PrepareChange, StorageStrategyExt as _};
use repo_core::{CollectionSchema, Document, EntityId, ErrorKind, Filter, Key, Plan, Query};
use repo_testkit::Place as _;
use serde_json::json;

fn schema(name: &str, fields: &[&str]) -> CollectionSchema {
    let indexes: Vec<[&str; 1]> = fields.iter().map(|field| [*field]).collect();
    let properties: serde_json::Map<String, serde_json::Value> = fields
        .iter()
        .filter(|field| !field.contains('.'))
        .map(|field| ((*field).to_owned(), json!({ "type": "string" })))
        .collect();
    let text = json!({
        "type": "object",
        "x-repository": { "collection": name, "idField": "id", "indexes": indexes },
        "properties": properties,
    });
    CollectionSchema::parse(&text.to_string()).unwrap()
}

async fn finds(store: &Store, of: &str, field: &str, value: &str) -> (Vec<String>, Plan) {
    let filter = json!({ field: value }).to_string();
    let query = Query::new(Filter::parse(&filter).unwrap());
    let page = store.query(&collection(of), &query).await.unwrap();
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
        "%s $1 ?1 :a @b $$c$$",
        "white\u{a0}space ",
        "\u{202e}rtl",
        "say \"x\"",
        "back\\slash\\",
        "tab\there\nand there",
        "E'\\x41'",
        &long,
        &longer,
    ];
    let place = PostgresPlace::new();
    let schema = schema("odd", &names);
    let store = place.open(options(std::slice::from_ref(&schema))).await.unwrap();
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
        let (found, plan) = finds(&store, "odd", name, &format!("value {number}")).await;
        assert_eq!(found, [format!("e{number}")], "{name}");
        assert!(matches!(plan, Plan::Index { .. }), "{name}: {plan:?}");
        let order = Query::all().order_by(&format!("{name}:desc"));
        let page = store.query(&collection("odd"), &order.unwrap()).await.unwrap();
        assert_eq!(page.entities[0].id.as_str(), format!("e{number}"), "{name}");
    }
    let sql = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'odd'::regclass AND attnum > 0";
    let columns: i64 = place.tool().await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(columns, 1 + i64::try_from(names.len()).unwrap() + 4);
}

/// PostgreSQL keeps these names for columns that every table has.
#[tokio::test]
async fn fields_named_as_system_columns_are_found_and_shown() {
    let names = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];
    let place = PostgresPlace::new();
    let schema = schema("odd", &names);
    let store = place.open(options(std::slice::from_ref(&schema))).await.unwrap();
    store.prepare(&[schema]).await.unwrap();
    let tool = place.tool().await;
    for name in names {
        let key = Key::new(collection("odd"), EntityId::new(name).unwrap());
        let document = Document::parse(&json!({ "id": name, name: "v" }).to_string()).unwrap();
        store.save(key, document).await.unwrap();
        let (found, plan) = finds(&store, "odd", name, "v").await;
        assert_eq!(found, [name]);
        assert_eq!(plan, Plan::Index { name: format!("odd-{name}-index") });
        let sql = format!("SELECT id FROM odd WHERE {name} = 'v'");
        let shown: String = tool.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(shown, name);
    }
}

#[tokio::test]
async fn an_id_field_may_have_any_name() {
    let long = "i".repeat(200);
    for name in ["it's \"x\"", "ctid", "user", "a\\b", "%d $1", &long] {
        let place = PostgresPlace::new();
        let text = json!({
            "type": "object",
            "x-repository": { "collection": "odd", "idField": name, "indexes": [["status"]] },
            "properties": { "status": { "type": "string" } },
        });
        let schema = CollectionSchema::parse(&text.to_string()).unwrap();
        let store = place.open(options(std::slice::from_ref(&schema))).await.unwrap();
        store.prepare(&[schema]).await.unwrap();
        let key = Key::new(collection("odd"), EntityId::new("e").unwrap());
        let document = Document::parse(&json!({ name: "e", "status": "v" }).to_string()).unwrap();
        store.save(key.clone(), document).await.unwrap();
        assert!(store.get(&key.collection, &key.id).await.unwrap().is_some(), "{name}");
        assert_eq!(finds(&store, "odd", "status", "v").await.0, ["e"], "{name}");
        assert_eq!(finds(&store, "odd", name, "e").await.0, ["e"], "{name}");
    }
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
        let place = PostgresPlace::new();
        let schema = schema("odd", names);
        let store = place.open(options(std::slice::from_ref(&schema))).await.unwrap();
        let error = store.prepare(&[schema]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{names:?}: {error}");
        assert_eq!(error.context_value("collection"), Some("odd"));
        let sql = "SELECT to_regnamespace($1) IS NULL";
        let row = place.tool().await.query_one(sql, &[&place.schema]).await.unwrap();
        assert!(row.get::<_, bool>(0), "{names:?}");
    }
}

#[tokio::test]
async fn any_collection_name_works() {
    let place = PostgresPlace::new();
    let store = place.open(options(&[])).await.unwrap();
    let long = "z".repeat(48);
    let longer = format!("{}y", "z".repeat(47));
    let names =
        ["pg_class", "pg_x", "select", "table", "user", "information_schema", &long, &longer];
    let schemas = names.map(|name| schema(name, &["status", "note"]));
    for expected in [PrepareChange::Created, PrepareChange::Unchanged] {
        let done = store.prepare(&schemas).await.unwrap();
        assert!(done.iter().all(|done| done.change == expected), "{done:?}");
    }
    for name in names {
        let key = Key::new(collection(name), EntityId::new("e").unwrap());
        let document = Document::parse(r#"{"id":"e","status":"v"}"#).unwrap();
        store.save(key.clone(), document).await.unwrap();
        assert!(store.get(&key.collection, &key.id).await.unwrap().is_some(), "{name}");
        let (found, plan) = finds(&store, name, "status", "v").await;
        assert_eq!(found, ["e"], "{name}");
        assert!(matches!(plan, Plan::Index { .. }), "{name}");
    }
    let reopened = place.open(options(&schemas)).await.unwrap();
    assert_eq!(reopened.collections().await.unwrap().len(), names.len());
}

#[tokio::test]
async fn two_of_our_own_collections_may_collide() {
    let place = PostgresPlace::new();
    let store = place.open(options(&[])).await.unwrap();
    let plain = |name: &str| CollectionSchema::undeclared(collection(name));
    let both = [plain("a"), plain("a_records")];
    for schemas in [&both[..], &[plain("a_records"), plain("a")]] {
        let error = store.prepare(schemas).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert_eq!(error.context_value("name"), Some("a_records"), "{error}");
        assert_eq!(store.collections().await.unwrap(), []);
    }
    store.prepare(&[plain("a")]).await.unwrap();
    let error = store.prepare(&[plain("a_records")]).await.unwrap_err();
    assert_eq!(error.context_value("name"), Some("a_records"), "{error}");
    // The name of the index behind the primary key is PostgreSQL's choice.
    store.prepare(&[plain("b_records_pkey")]).await.unwrap();
    store.prepare(&[plain("b")]).await.unwrap();
    let key = Key::new(collection("b"), EntityId::new("e").unwrap());
    store.save(key, Document::parse(r#"{"id":"e"}"#).unwrap()).await.unwrap();
    assert_eq!(finds(&store, "b", "id", "e").await.0, ["e"]);
}
