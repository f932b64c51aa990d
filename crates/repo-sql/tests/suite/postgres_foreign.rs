//! What is not ours in a PostgreSQL database is refused by name and left as it
//! is.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use crate::common::{Store, collection, key, machine, machines, options};
use crate::postgres::PostgresPlace;
use repo_core::strategy::{PrepareChange, StorageStrategyExt as _, StoreUpdate};
use repo_core::{CollectionSchema, Error, ErrorKind, Filter, Plan, Query};
use repo_testkit::Place as _;
use tokio_postgres::Client;

fn assert_foreign(error: &Error, name: &str) {
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert_eq!(error.context_value("name"), Some(name), "{error}");
    assert!(error.hint_text().is_some());
}

async fn prepared(place: &PostgresPlace) -> Store {
    let store = place.open(options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    store.save(key("a"), machine("a", r#""status":"on""#)).await.unwrap();
    store
}

/// Everything in the schema, with what it is made of.
async fn contents(tool: &Client, place: &PostgresPlace) -> Vec<String> {
    let sql = "SELECT relkind::text || ' ' || relname || ' ' || coalesce((SELECT string_agg( \
               attname || ' ' || atttypid::regtype, ',' ORDER BY attnum) FROM pg_attribute \
               WHERE attrelid = c.oid AND attnum > 0), '') FROM pg_class AS c \
               WHERE relnamespace = to_regnamespace($1) UNION ALL \
               SELECT typtype::text || ' ' || typname FROM pg_type \
               WHERE typnamespace = to_regnamespace($1) ORDER BY 1";
    let rows = tool.query(sql, &[&place.schema]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

const FOREIGN: [(&str, &str, &str); 13] = [
    ("machines", "table", "CREATE TABLE machines (id text, status text)"),
    ("machines", "view", "CREATE VIEW machines AS SELECT 1 AS a"),
    ("machines", "materialized view", "CREATE MATERIALIZED VIEW machines AS SELECT 1 AS a"),
    ("machines", "sequence", "CREATE SEQUENCE machines"),
    ("machines", "index", "CREATE TABLE x (a int); CREATE INDEX machines ON x (a)"),
    ("machines", "partitioned table", "CREATE TABLE machines (a int) PARTITION BY RANGE (a)"),
    ("machines", "type", "CREATE TYPE machines AS ENUM ('a')"),
    ("machines", "type", "CREATE TYPE machines AS (a int)"),
    ("machines", "type", "CREATE DOMAIN machines AS text"),
    (
        "machines_records",
        "table",
        "CREATE TABLE machines_records (machine_id text, document jsonb)",
    ),
    ("machines_records", "view", "CREATE VIEW machines_records AS SELECT 1 AS machine_id"),
    (
        "machines-status-index",
        "index",
        "CREATE TABLE x (a int); CREATE INDEX \"machines-status-index\" ON x (a)",
    ),
    ("machines-price-index", "table", "CREATE TABLE \"machines-price-index\" (a int)"),
];

#[tokio::test]
async fn foreign_objects_are_refused_unaltered() {
    let each = FOREIGN.map(async |(name, kind, sql)| refused_unaltered(name, kind, sql).await);
    futures::future::join_all(each).await;
}

async fn refused_unaltered(name: &str, kind: &str, sql: &str) {
    let place = PostgresPlace::new();
    let tool = place.tool().await;
    tool.batch_execute(&format!("CREATE SCHEMA {}; {sql}", place.schema)).await.unwrap();
    let before = contents(&tool, &place).await;
    for read_only in [false, true] {
        let options = options(&[machines()]).with_read_only(read_only);
        let error = place.open(options).await.unwrap_err();
        assert_foreign(&error, name);
        assert_eq!(error.context_value("kind"), Some(kind), "{error}");
    }
    // Opened by one that declares nothing, and then prepared or used.
    let store = place.open(options(&[])).await.unwrap();
    assert_foreign(&store.prepare(&[machines()]).await.unwrap_err(), name);
    if !name.contains('-') {
        let used = store.get(&collection("machines"), &key("a").id).await.unwrap_err();
        assert_foreign(&used, name);
        let used = store.save(key("a"), machine("a", "")).await.unwrap_err();
        assert_foreign(&used, name);
    }
    assert_eq!(contents(&tool, &place).await, before, "{sql}");
}

#[tokio::test]
async fn a_foreign_record_of_the_store_is_refused() {
    for sql in [
        "CREATE TABLE _repo_store (a int, b int)",
        "CREATE VIEW _repo_store AS SELECT 1 AS layout_version",
        "CREATE TABLE _repo_store (a int); COMMENT ON TABLE _repo_store IS 'mine'",
        "CREATE TABLE _repo_store (layout_version int); COMMENT ON TABLE _repo_store IS 'mine'; \
         INSERT INTO _repo_store VALUES (1)",
    ] {
        let place = PostgresPlace::new();
        let tool = place.tool().await;
        tool.batch_execute(&format!("CREATE SCHEMA {}; {sql}", place.schema)).await.unwrap();
        let before = contents(&tool, &place).await;
        assert_foreign(&place.open(options(&[])).await.unwrap_err(), "_repo_store");
        assert_eq!(contents(&tool, &place).await, before, "{sql}");
    }
}

#[tokio::test]
async fn each_table_of_the_stores_record_may_be_foreign() {
    for name in ["_repo_collections", "_repo_objects"] {
        let place = PostgresPlace::new();
        let tool = place.tool().await;
        let sql = format!("CREATE SCHEMA {}; CREATE TABLE {name} (a int)", place.schema);
        tool.batch_execute(&sql).await.unwrap();
        let before = contents(&tool, &place).await;
        assert_foreign(&place.open(options(&[])).await.unwrap_err(), name);
        assert_eq!(contents(&tool, &place).await, before, "{sql}");
    }
}

#[tokio::test]
async fn other_objects_may_stand_beside_ours() {
    let place = PostgresPlace::new();
    let tool = place.tool().await;
    let sql = "CREATE TABLE accounts (name text); INSERT INTO accounts VALUES ('x')";
    tool.batch_execute(&format!("CREATE SCHEMA {}; {sql}", place.schema)).await.unwrap();
    let store = prepared(&place).await;
    assert_eq!(store.collections().await.unwrap(), [collection("machines")]);
    tool.batch_execute(
        "CREATE INDEX mine ON machines_records (_updated_at); \
         ALTER TABLE machines_records ADD COLUMN mine text DEFAULT 'x'; \
         CREATE VIEW on_machines AS SELECT * FROM machines WHERE status = 'on'",
    )
    .await
    .unwrap();
    store.save(key("b"), machine("b", r#""status":"on""#)).await.unwrap();
    assert!(store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
    let reopened = place.open(options(&[machines()])).await.unwrap();
    assert!(reopened.get(&collection("machines"), &key("b").id).await.unwrap().is_some());
    let seen = tool.query_one("SELECT count(*) FROM on_machines", &[]).await.unwrap();
    assert_eq!(seen.get::<_, i64>(0), 2);
}

#[tokio::test]
async fn tables_of_another_schema_are_not_taken_for_ours() {
    let (one, other) = (PostgresPlace::new(), PostgresPlace::new());
    prepared(&one).await;
    let store = other.open(options(&[machines()])).await.unwrap();
    assert_eq!(store.collections().await.unwrap(), []);
    let unknown = store.get(&collection("machines"), &key("a").id).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound, "{unknown}");
    store.prepare(&[machines()]).await.unwrap();
    assert!(store.get(&collection("machines"), &key("a").id).await.unwrap().is_none());
}

const REPLACED: [(&str, &str); 6] = [
    ("machines", "DROP VIEW machines; CREATE TABLE machines (a int)"),
    ("machines", "DROP VIEW machines; CREATE VIEW machines AS SELECT 1 AS a"),
    (
        "machines_records",
        "CREATE TABLE other AS SELECT * FROM machines_records; \
         DROP TABLE machines_records CASCADE; ALTER TABLE other RENAME TO machines_records",
    ),
    (
        "machines-status-index",
        "DROP INDEX \"machines-status-index\"; \
         CREATE INDEX \"machines-status-index\" ON machines_records (_version)",
    ),
    ("machines_records", "ALTER TABLE machines_records DROP COLUMN status CASCADE"),
    ("machines_records", "ALTER TABLE machines_records RENAME COLUMN document TO doc"),
];

#[tokio::test]
async fn what_another_tool_replaced_is_refused() {
    let each = REPLACED.map(async |(name, sql)| replacement_refused(name, sql).await);
    futures::future::join_all(each).await;
}

async fn replacement_refused(name: &str, sql: &str) {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    let tool = place.tool().await;
    tool.batch_execute(sql).await.unwrap();
    let before = contents(&tool, &place).await;
    for read_only in [false, true] {
        for declared in [&[machines()][..], &[]] {
            let options = options(declared).with_read_only(read_only);
            assert_foreign(&place.open(options).await.unwrap_err(), name);
        }
    }
    assert_foreign(&store.prepare(&[machines()]).await.unwrap_err(), name);
    let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
    assert!(!health.is_ok(), "{sql}: {health:?}");
    assert_eq!(contents(&tool, &place).await, before, "{sql}");
}

#[tokio::test]
async fn a_dropped_column_is_a_conflict_for_open_handles_too() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    let sql = "ALTER TABLE machines_records DROP COLUMN document CASCADE";
    place.tool().await.batch_execute(sql).await.unwrap();
    let name = collection("machines");
    for error in [
        store.get(&name, &key("a").id).await.unwrap_err(),
        store.save(key("a"), machine("a", "")).await.unwrap_err(),
        store.query(&name, &Query::all()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
        assert!(error.hint_text().is_some(), "{error}");
    }
}

#[tokio::test]
async fn an_index_or_view_that_is_gone_is_made_again() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    let tool = place.tool().await;
    tool.batch_execute("DROP VIEW machines; DROP INDEX \"machines-status-index\"").await.unwrap();
    let query = Query::new(Filter::parse(r#"{"status":"on"}"#).unwrap());
    let reopened = place.open(options(&[machines()])).await.unwrap();
    let page = reopened.query(&collection("machines"), &query).await.unwrap();
    assert_eq!((page.plan, page.entities.len()), (Plan::Scan, 1));
    let done = store.prepare(&[machines()]).await.unwrap();
    assert_eq!(done[0].change, PrepareChange::Updated);
    let page = store.query(&collection("machines"), &query).await.unwrap();
    assert!(matches!(page.plan, Plan::Index { .. }));
    tool.batch_execute("SELECT status FROM machines").await.unwrap();
    let done = store.prepare(&[machines()]).await.unwrap();
    assert_eq!(done[0].change, PrepareChange::Unchanged);
}

#[tokio::test]
async fn a_table_that_is_gone_is_corrupt() {
    for sql in
        ["DROP TABLE machines_records CASCADE", "ALTER TABLE machines_records RENAME TO elsewhere"]
    {
        let place = PostgresPlace::new();
        let store = prepared(&place).await;
        place.tool().await.batch_execute(sql).await.unwrap();
        for error in [
            place.open(options(&[machines()])).await.unwrap_err(),
            store.prepare(&[machines()]).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert_eq!(error.context_value("table"), Some("machines_records"));
        }
        let error = store.save(key("b"), machine("b", "")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    }
}

#[tokio::test]
async fn another_layout_is_refused() {
    let cases = [
        ("UPDATE _repo_store SET layout_version = 4", ErrorKind::Unsupported),
        ("UPDATE _repo_store SET layout_version = 0", ErrorKind::Corrupt),
        ("DELETE FROM _repo_store", ErrorKind::Corrupt),
        ("UPDATE _repo_collections SET collection = 'No Name'", ErrorKind::Corrupt),
        ("UPDATE _repo_collections SET id_field = ''", ErrorKind::Corrupt),
    ];
    let each = cases.map(async |(sql, kind)| layout_refused(sql, kind).await);
    futures::future::join_all(each).await;
}

#[tokio::test]
async fn an_older_layout_is_used_as_it_is_until_it_is_upgraded() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    // As the version before layout 2 made it.
    let older = "ALTER TABLE _repo_store DROP COLUMN store_id; \
                 UPDATE _repo_store SET layout_version = 1; \
                 DELETE FROM __diesel_schema_migrations WHERE version = '00000000000002'";
    let tool = place.tool().await;
    tool.batch_execute(crate::postgres::LAYOUT_2).await.unwrap();
    tool.batch_execute(older).await.unwrap();
    let layout = async |store: &Store| {
        let record = store.store_record().await.unwrap();
        (record.layout_version, record.id)
    };
    for store in [&store, &place.open(options(&[machines()])).await.unwrap()] {
        assert_eq!(layout(store).await, (1, None));
        store.prepare(&[machines()]).await.unwrap();
        store.save(key("b"), machine("b", "")).await.unwrap();
        let (expected, id) = (
            repo_core::strategy::StoreId::random().unwrap(),
            repo_core::strategy::StoreId::random().unwrap(),
        );
        let refused = store.update_store_record(StoreUpdate::Id { expected, id }).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Locked);
        assert_eq!(layout(store).await, (1, None));
    }
    let other = place.open(options(&[machines()])).await.unwrap();
    assert_eq!(other.upgrade_layout().await.unwrap(), Some(1));
    assert_eq!(other.upgrade_layout().await.unwrap(), None);
    let (version, id) = layout(&other).await;
    assert!(version == 3 && id.is_some());
    assert_eq!(layout(&store).await, (version, id));
    store.save(key("c"), machine("c", "")).await.unwrap();
    // A tool that runs the migrations finds none to run.
    let noted = "SELECT count(*) FROM __diesel_schema_migrations";
    assert_eq!(place.tool().await.query_one(noted, &[]).await.unwrap().get::<_, i64>(0), 3);
}

async fn layout_refused(sql: &str, kind: ErrorKind) {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    place.tool().await.batch_execute(sql).await.unwrap();
    for error in [
        place.open(options(&[machines()])).await.unwrap_err(),
        place.open(options(&[]).with_read_only(true)).await.unwrap_err(),
        store.prepare(&[machines()]).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), kind, "{sql}: {error}");
        assert!(error.hint_text().is_some(), "{sql}: {error}");
    }
    assert!(!store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok(), "{sql}");
}

#[tokio::test]
async fn another_id_field_than_prepared_is_refused() {
    let place = PostgresPlace::new();
    prepared(&place).await.close().await.unwrap();
    let other =
        CollectionSchema::parse(&crate::common::MACHINES.replace("machine_id", "name")).unwrap();
    let error = place.open(options(&[other])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert_eq!(error.context_value("stored"), Some("machine_id"));
    // One that declares nothing learns the id field from the store.
    let store = place.open(options(&[])).await.unwrap();
    store.save(key("a"), machine("a", "")).await.unwrap();
    let undeclared = CollectionSchema::undeclared(collection("machines"));
    assert_eq!(store.prepare(&[undeclared]).await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
}
