//! What other tools see in a PostgreSQL database.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use std::sync::Arc;

use crate::common::{Store, collection, ids, key, machine, machines, options};
use crate::postgres::PostgresPlace;
use repo_core::strategy::{PrepareChange, StorageStrategyExt as _};
use repo_core::{
    CollectionSchema, Consistency, ErrorKind, Filter, ManualClock, Plan, Query, Timestamp,
};
use repo_sql::{Dialect, ddl};
use repo_testkit::Place as _;
use tokio_postgres::Client;

async fn prepared(place: &PostgresPlace) -> Store {
    let store = place.open(options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    store
}

async fn fill(store: &Store) {
    for (id, members) in [
        ("a", r#""status":"running","vcpus":4,"price":0.25,"spot":true,"launch_time":5"#),
        ("b", r#""status":"running","tags":{"o":"x"},"disks":[1,2],"launch_time":"noon""#),
        ("c", r#""status":"stopped","template_id":"t","created_at":"2026","vcpus":"many""#),
        ("d", r#""status":7,"template_id":null,"created_at":"2027","meta":{"zone":"z"}"#),
        ("e", r#""price":12345678901234567890123456789012345678,"vcpus":1e3,"spot":"yes""#),
        ("gone", r#""status":"running""#),
    ] {
        store.save(key(id), machine(id, members)).await.unwrap();
    }
    store.delete(key("gone")).await.unwrap();
}

/// The columns of a table or view with their types.
async fn columns(tool: &Client, of: &str) -> Vec<(String, String)> {
    let sql = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute \
               WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped \
               ORDER BY attnum";
    let rows = tool.query(sql, &[&of]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn the_view_has_a_typed_column_for_each_declared_field() {
    let place = PostgresPlace::new();
    prepared(&place).await;
    let expected = [
        ("machine_id", "text"),
        ("status", "text"),
        ("template_id", "text"),
        ("created_at", "text"),
        ("vcpus", "numeric"),
        ("price", "numeric"),
        ("spot", "boolean"),
        ("tags", "jsonb"),
        ("disks", "jsonb"),
        ("launch_time", "jsonb"),
        ("note", "text"),
        ("meta.zone", "jsonb"),
        ("document", "jsonb"),
        ("_version", "bigint"),
        ("_created_at", "timestamp with time zone"),
        ("_updated_at", "timestamp with time zone"),
    ];
    let mut found = columns(&place.tool().await, "machines").await;
    let mut expected = expected.map(|(name, of)| (name.to_owned(), of.to_owned()));
    // Declared fields stand in the order in which the schema is read.
    assert_eq!(found[0], expected[0]);
    assert_eq!(found[11..], expected[11..]);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_table_keeps_columns_for_indexed_fields_only() {
    let place = PostgresPlace::new();
    prepared(&place).await;
    let tool = place.tool().await;
    let found = columns(&tool, "machines_records").await;
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..5], ["machine_id", "_version", "_created_at", "_updated_at", "document"]);
    let mut indexed = names[5..].to_vec();
    indexed.sort_unstable();
    assert_eq!(indexed, ["created_at", "meta.zone", "price", "status", "template_id"]);
    let sql = "SELECT indexname::text FROM pg_indexes \
               WHERE schemaname = $1 AND tablename = 'machines_records' ORDER BY 1";
    let rows = tool.query(sql, &[&place.schema]).await.unwrap();
    let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let mut expected = [
        "machines-meta.zone-index",
        "machines-price-index",
        "machines-status-index",
        "machines-template_id-created_at-index",
        "machines_records_pkey",
    ]
    .map(str::to_owned);
    expected.sort();
    let mut found = found;
    found.sort();
    assert_eq!(found, expected);
}

/// Made from the records that are there, and used from then on: the server
/// knows at once what the table holds.
#[tokio::test]
async fn indexes_are_left_until_the_collection_is_loaded() {
    let place = PostgresPlace::new();
    let store = place.open(options(&[machines()])).await.unwrap();
    let tool = place.tool().await;
    // Indexes beside the primary key, and whether the columns were looked at.
    let state = async || -> (i64, bool) {
        let sql = "SELECT (SELECT count(*) FROM pg_index WHERE NOT indisprimary \
                   AND indrelid = to_regclass('machines_records')), \
                   EXISTS (SELECT FROM pg_statistic \
                   WHERE starelid = to_regclass('machines_records'))";
        let row = tool.query_one(sql, &[]).await.unwrap();
        (row.get(0), row.get(1))
    };
    let made = store.prepare_for_load(&[machines()]).await.unwrap();
    assert_eq!((made[0].change, state().await), (PrepareChange::Created, (0, false)));
    fill(&store).await;
    let made = store.prepare(&[machines()]).await.unwrap();
    assert_eq!((made[0].change, state().await), (PrepareChange::Updated, (4, true)));
    let made = store.prepare_for_load(&[machines()]).await.unwrap();
    assert_eq!((made[0].change, state().await.0), (PrepareChange::Unchanged, 4));
}

#[tokio::test]
async fn the_view_shows_live_entities_in_typed_columns() {
    let place = PostgresPlace::new();
    fill(&prepared(&place).await).await;
    let tool = place.tool().await;
    let sql = "SELECT status, count(*) FROM machines GROUP BY status ORDER BY status NULLS FIRST";
    let counts: Vec<(Option<String>, i64)> =
        tool.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(counts, [(None, 2), (text("running"), 2), (text("stopped"), 1)]);
    for (id, column, expected) in [
        ("a", "vcpus", Some("4")),
        ("a", "price", Some("0.25")),
        ("a", "spot", Some("true")),
        ("a", "launch_time", Some("5")),
        ("b", "launch_time", Some("\"noon\"")),
        ("b", "tags", Some("{\"o\": \"x\"}")),
        ("b", "disks", Some("[1, 2]")),
        ("c", "vcpus", None),
        ("d", "\"meta.zone\"", Some("\"z\"")),
        ("d", "template_id", None),
        ("d", "note", None),
        ("d", "status", None),
        ("e", "price", Some("12345678901234567890123456789012345678")),
        ("e", "vcpus", Some("1000")),
        ("e", "spot", None),
        ("e", "_version", Some("1")),
    ] {
        let sql = format!("SELECT {column}::text FROM machines WHERE machine_id = '{id}'");
        let shown: Option<String> = tool.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(shown.as_deref(), expected, "{id}.{column}");
    }
    // Types compare as types: 0.25 < 5 < 12345678901234567890123456789012345678.
    let sql = "SELECT count(*) FROM machines WHERE price < 0.5 AND spot AND vcpus >= 4";
    assert_eq!(tool.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn the_view_shows_times_exactly() {
    let place = PostgresPlace::new();
    let tool = place.tool().await;
    let times = [
        "2026-03-01T08:00:00.123456Z",
        "1970-01-01T00:00:00.000000Z",
        "1969-12-31T23:59:59.999999Z",
        "1969-12-31T23:59:59.000001Z",
        "0001-01-01T00:00:00.999999Z",
        "9999-12-30T21:59:59.999999Z",
        "-004000-06-01T12:00:00.000001Z",
        // The first moment of the type, and the one before.
        "-004713-11-24T00:00:00.000000Z",
        "-004713-11-23T23:59:59.999999Z",
        "-005000-01-01T00:00:00.000000Z",
    ];
    for (number, text) in times.into_iter().enumerate() {
        let time = Timestamp::parse(text).unwrap();
        let clock = Arc::new(ManualClock::new(time));
        let options = options(&[machines()]).with_clock(clock);
        let store = place.open(options).await.unwrap();
        store.prepare(&[machines()]).await.unwrap();
        let id = format!("m{number}");
        store.save(key(&id), machine(&id, "")).await.unwrap();
        let sql = format!(
            "SELECT CASE WHEN isfinite(_created_at) \
             THEN (extract(epoch FROM _created_at) * 1000000)::bigint END, \
             _created_at::text, _created_at = _updated_at FROM machines WHERE machine_id = '{id}'"
        );
        let row = tool.query_one(&sql, &[]).await.unwrap();
        let (micros, shown): (Option<i64>, String) = (row.get(0), row.get(1));
        if micros.is_none() {
            assert_eq!(shown, "-infinity", "{text}");
        }
        assert_eq!(micros.is_none(), number >= 8, "{text}: {shown}");
        assert_eq!(micros.unwrap_or(time.as_micros()), time.as_micros(), "{text}: {shown}");
        assert!(row.get::<_, bool>(2));
    }
    let shown: String = tool
        .query_one("SELECT _created_at::text FROM machines WHERE machine_id = 'm0'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(shown, "2026-03-01 08:00:00.123456+00");
}

#[tokio::test]
async fn another_tool_may_change_documents_but_not_break_them() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    fill(&store).await;
    let tool = place.tool().await;
    let sql = "UPDATE machines_records SET document = jsonb_set(document, '{status}', '\"lost\"') \
               WHERE machine_id = 'a'";
    tool.batch_execute(sql).await.unwrap();
    let lost = Query::new(Filter::parse(r#"{"status":"lost"}"#).unwrap());
    assert_eq!(ids(&store, &lost).await, ["a"]);
    for document in [r#"'{"machine_id": "x"}'"#, "'[]'", "'7'", "'{}'", "'null'"] {
        let sql = format!(
            "UPDATE machines_records SET document = {document}::jsonb WHERE machine_id = 'a'"
        );
        let refused = tool.batch_execute(&sql).await.unwrap_err();
        let message = refused.as_db_error().unwrap().message().to_owned();
        assert!(message.contains("document is a JSON object with this id"), "{message}");
    }
}

#[tokio::test]
async fn a_damaged_row_is_named() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    fill(&store).await;
    let tool = place.tool().await;
    for (damage, repair) in [
        ("_version = 0", "_version = 1"),
        ("_version = -4", "_version = 1"),
        ("_created_at = 9223372036854775807", "_created_at = 0"),
        ("_updated_at = -9223372036854775808", "_updated_at = 0"),
        (
            "document = jsonb_set(document, '{\"\"}', '1')",
            "document = jsonb_build_object('machine_id', 'a')",
        ),
    ] {
        let set = |what: &str| format!("UPDATE machines_records SET {what} WHERE machine_id = 'a'");
        tool.batch_execute(&set(damage)).await.unwrap();
        let error = store.get(&collection("machines"), &key("a").id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{damage}: {error}");
        assert_eq!(error.context_value("key"), Some("machines/a"), "{error}");
        tool.batch_execute(&set(repair)).await.unwrap();
        assert!(store.get(&collection("machines"), &key("a").id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn the_script_makes_what_prepare_makes() {
    let (by_hand, by_prepare) = (PostgresPlace::new(), PostgresPlace::new());
    let tool = by_hand.tool().await;
    let script = ddl(Dialect::Postgres, [&machines()]).unwrap();
    tool.batch_execute(&format!("CREATE SCHEMA {}; {script}", by_hand.schema)).await.unwrap();
    prepared(&by_prepare).await;
    let mut objects: Vec<Vec<String>> = Vec::new();
    for place in [&by_hand, &by_prepare] {
        let sql = "SELECT relkind::text || ' ' || relname || ': ' \
                   || coalesce(obj_description(oid, 'pg_class'), '-') || ' ' || coalesce(CASE \
                   WHEN relkind = 'v' THEN pg_get_viewdef(oid) \
                   WHEN relkind = 'i' THEN pg_get_indexdef(oid) END, '') \
                   FROM pg_class WHERE relnamespace = $1::text::regnamespace \
                   AND relname NOT LIKE '\\_\\_diesel%' ORDER BY relkind, relname";
        let rows = tool.query(sql, &[&place.schema]).await.unwrap();
        let texts = rows
            .iter()
            .map(|row| row.get::<_, String>(0).replace(&format!("{}.", place.schema), ""));
        objects.push(texts.collect());
    }
    assert_eq!(objects[0], objects[1]);
    let store = by_hand.open(options(&[machines()])).await.unwrap();
    let done = store.prepare(&[machines()]).await.unwrap();
    assert_eq!(done[0].change, PrepareChange::Unchanged);
    fill(&store).await;
}

#[tokio::test]
async fn a_schema_may_gain_indexes_and_change_types() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    fill(&store).await;
    // `vcpus` gains an index, `status` becomes a number, `spot` is renamed.
    let text = crate::common::MACHINES
        .replace(r#"["status"],"#, r#"["status"], ["vcpus"],"#)
        .replace(r#""status": {"type": "string"}"#, r#""status": {"type": "integer"}"#)
        .replace(r#""spot""#, r#""is_spot""#);
    let changed = CollectionSchema::parse(&text).unwrap();
    let other = place.open(options(std::slice::from_ref(&changed))).await.unwrap();
    let filter = |text: &str| Query::new(Filter::parse(text).unwrap());
    // Before `prepare` the old columns are not used for what they no longer
    // hold, and answers are right all the same.
    assert_eq!(ids(&other, &filter(r#"{"status":7}"#)).await, ["d"]);
    assert_eq!(ids(&other, &filter(r#"{"vcpus":4}"#)).await, ["a"]);
    for expected in [PrepareChange::Updated, PrepareChange::Unchanged] {
        let done = other.prepare(std::slice::from_ref(&changed)).await.unwrap();
        assert_eq!(done[0].change, expected);
    }
    for (text, index, id) in [
        (r#"{"vcpus":4}"#, "machines-vcpus-index", "a"),
        (r#"{"status":7}"#, "machines-status-index", "d"),
    ] {
        let page = other.query(&collection("machines"), &filter(text)).await.unwrap();
        assert_eq!(page.plan, Plan::Index { name: index.to_owned() });
        assert_eq!(page.entities[0].id.as_str(), id);
    }
    let tool = place.tool().await;
    tool.batch_execute("SELECT is_spot, vcpus FROM machines").await.unwrap();
    // The handle that was open all along notices.
    let stopped = Filter::parse(r#"{"status":"stopped"}"#).unwrap();
    for store in [&store, &other] {
        let name = collection("machines");
        assert_eq!(store.count(&name, &stopped, Consistency::Strong).await.unwrap(), 1);
        assert_eq!(ids(store, &Query::new(stopped.clone())).await, ["c"]);
        store.save(key("c"), machine("c", r#""status":"stopped""#)).await.unwrap();
    }
}

/// A schema that is made by another connection is seen by one whose catalog is
/// warm already.
#[tokio::test]
async fn a_store_is_made_whatever_its_connections_did_before() {
    for _ in 0..5 {
        let place = PostgresPlace::new();
        let one = serde_json::json!({ "pool_size": 1 });
        let store = place.open_with(&one, options(&[machines()])).await.unwrap();
        for _ in 0..3 {
            store.check_prepare(&[machines()]).await.unwrap();
            assert!(store.collections().await.unwrap().is_empty());
            assert_eq!(store.store_record().await.unwrap().id, None);
        }
        store.prepare(&[machines()]).await.unwrap();
        assert_eq!(store.collections().await.unwrap(), [collection("machines")]);
    }
}
