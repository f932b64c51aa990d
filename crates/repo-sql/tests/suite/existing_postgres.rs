//! Tables of another program in PostgreSQL, as a store that is only read.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use crate::existing::{
    Database, Store, collection, documents, entities, id, open, reading, things, try_open,
    unreadable,
};
use crate::postgres::PostgresPlace;
use crate::postgres::role::Role;
use async_trait::async_trait;
use repo_core::strategy::OpenOptions;
use repo_core::{Error, ErrorKind, Schemas};
use repo_testkit::Place as _;

/// A schema of another program.
struct Other(PostgresPlace);

impl Other {
    async fn new() -> Self {
        let place = PostgresPlace::new();
        let sql = format!("CREATE SCHEMA \"{}\"", place.schema);
        crate::postgres::tool().await.batch_execute(&sql).await.unwrap();
        Self(place)
    }
}

#[async_trait]
impl Database for Other {
    async fn run(&self, sql: &str) {
        self.0.tool().await.batch_execute(sql).await.unwrap();
    }

    async fn open(&self, options: OpenOptions) -> Result<Store, Error> {
        self.0.open(options).await
    }

    fn is_sqlite(&self) -> bool {
        false
    }
}

crate::existing::all_cases!(Other::new());

#[tokio::test]
async fn each_type_has_its_form_in_json() {
    let other = Other::new().await;
    let types = [
        ("a", "jsonb", "'{\"x\": 1.50}'", r#"{"x":1.50}"#),
        ("b", "json", "'[1, 2]'", "[1,2]"),
        ("c", "text[]", "ARRAY['x', NULL, 'y\"z']", r#"["x",null,"y\"z"]"#),
        ("d", "numeric(30,20)", "0.12345678901234567890", "0.12345678901234567890"),
        ("e", "real", "0.1", "0.1"),
        ("f", "double precision", "1e300::float8 / 1e200::float8", "1e100"),
        (
            "g",
            "uuid",
            "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
            "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
        ),
        ("h", "inet", "'10.0.0.1'", "\"10.0.0.1\""),
        ("i", "timestamptz", "'2026-03-01 10:00:00.5+02'", "\"2026-03-01T08:00:00.500000Z\""),
        ("j", "timestamp", "'2026-03-01 08:00:00'", "\"2026-03-01T08:00:00\""),
        ("k", "date", "'2026-03-01'", "\"2026-03-01\""),
        ("l", "interval", "'26 hours'", "\"PT26H\""),
        ("m", "char(5)", "'ab'", "\"ab\""),
        ("n", "timestamptz", "'infinity'", "\"infinity\""),
        ("o", "smallint", "7", "7"),
        ("p", "numeric[]", "ARRAY[1.10, 2]", "[1.10,2]"),
        ("q", "price", "1.25", "1.25"),
        ("r", "pair", "ROW('x', 2)", r#"{"x":"x","y":2}"#),
        ("s", "mood", "'fine'", "\"fine\""),
    ];
    other
        .run(
            "CREATE DOMAIN price AS numeric CHECK (VALUE > 0); CREATE TYPE pair AS (x text, y int); \
             CREATE TYPE mood AS ENUM ('fine')",
        )
        .await;
    let columns: Vec<String> =
        types.iter().map(|(name, ty, ..)| format!("\"{name}\" {ty}")).collect();
    let values: Vec<&str> = types.iter().map(|(_, _, value, _)| *value).collect();
    other
        .run(&format!(
            "CREATE TABLE things (key text PRIMARY KEY, {}); INSERT INTO things VALUES ('1', {})",
            columns.join(", "),
            values.join(", ")
        ))
        .await;
    let members: Vec<String> =
        types.iter().map(|(name, _, _, json)| format!("\"{name}\":{json}")).collect();
    let expected =
        repo_core::Document::parse(&format!("{{\"key\":\"1\",{}}}", members.join(","))).unwrap();
    let found = documents(&open(&other).await, "things").await;
    assert!(repo_core::Document::parse(&found[0]).unwrap().equals(&expected), "{found:?}");
}

#[tokio::test]
async fn numbers_that_json_cannot_say_are_named() {
    for (sql_type, value) in [("numeric", "'NaN'"), ("float8", "'-Infinity'"), ("numeric", "1e130")]
    {
        let other = Other::new().await;
        other
            .run(&format!(
                "CREATE TABLE things (key text PRIMARY KEY, weight {sql_type}); \
                 INSERT INTO things VALUES ('a', {value})"
            ))
            .await;
        let error = unreadable(&other).await;
        assert_eq!(error.context_value("column"), Some("weight"), "{error}");
        assert_eq!(error.context_value("key"), Some("things/a"), "{error}");
    }
}

#[tokio::test]
async fn ids_may_be_uuids_domains_or_padded_text() {
    for (sql_type, first, second, none) in [
        (
            "uuid",
            "00000000-0000-0000-0000-000000000001",
            "00000000-0000-0000-0000-000000000002",
            "00000000-0000-0000-0000-00000000000A",
        ),
        ("char(12)", "ab", "cd", "CD"),
        ("short", "ab", "cd", "far longer than the domain allows"),
        ("text COLLATE \"C\"", "B", "a", "A"),
        ("bigint", "9", "10", "010"),
    ] {
        let other = Other::new().await;
        other.run("CREATE DOMAIN short AS varchar(9) CHECK (length(VALUE) < 5)").await;
        other
            .run(&format!(
                "CREATE TABLE things (key {sql_type} PRIMARY KEY); \
                 INSERT INTO things VALUES ('{second}'), ('{first}')"
            ))
            .await;
        let store = open(&other).await;
        let one_by_one = repo_core::strategy::ScanOptions::default()
            .with_batch_size(std::num::NonZeroUsize::MIN);
        let records = crate::existing::try_scan(&store, "things", one_by_one).await.unwrap();
        let ids: Vec<&str> = records.iter().map(|record| record.id().as_str()).collect();
        assert_eq!(ids, [first, second], "{sql_type}");
        let asked = [id(second), id(none), id("no id at all")];
        let found = store.get_many(&collection("things"), &asked).await.unwrap();
        let there: Vec<bool> = found.iter().map(Option::is_some).collect();
        assert_eq!(there, [true, false, false], "{sql_type}");
    }
}

#[tokio::test]
async fn relations_of_other_kinds_are_read_or_say_why() {
    let other = Other::new().await;
    other
        .run(
            "CREATE TABLE things (key text PRIMARY KEY, status text) PARTITION BY HASH (key); \
             CREATE TABLE p0 PARTITION OF things FOR VALUES WITH (MODULUS 2, REMAINDER 0); \
             CREATE TABLE p1 PARTITION OF things FOR VALUES WITH (MODULUS 2, REMAINDER 1); \
             INSERT INTO things SELECT 'k' || n, 's' FROM generate_series(1, 500) AS n",
        )
        .await;
    let store = open(&other).await;
    assert_eq!(entities(&store, "things").await.len(), 500);
    assert!(!store.foreign().unwrap().contains("p0"));
    other
        .run(
            "ALTER TABLE things RENAME TO parts; CREATE MATERIALIZED VIEW things AS \
             SELECT key FROM parts; CREATE UNIQUE INDEX k ON things (key)",
        )
        .await;
    assert_eq!(entities(&open(&other).await, "things").await.len(), 500);
    for (sql, why) in [
        ("DROP MATERIALIZED VIEW things; CREATE TABLE things ()", "no column"),
        (
            "DROP TABLE things; CREATE TABLE things (key text PRIMARY KEY); \
             CREATE TABLE child () INHERITS (things)",
            "child tables",
        ),
        (
            "DROP TABLE things CASCADE; CREATE TABLE things (key bytea PRIMARY KEY)",
            "ids of the type bytea",
        ),
    ] {
        other.run(sql).await;
        let error = try_open(&other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
        assert!(error.context_value("as_a_source").unwrap().contains(why), "{error}");
    }
}

/// What a role has set for itself changes nothing of what is read.
#[tokio::test]
async fn rows_that_the_user_may_not_see_are_an_error() {
    let other = Other::new().await;
    let role = Role::new().await;
    let (schema, name) = (&other.0.schema, &role.name);
    other
        .run(&format!(
            "CREATE TABLE things (key text PRIMARY KEY, since timestamptz, ratio float8); \
             INSERT INTO things VALUES ('a', '2026-03-01 08:00:00+00', 0.1), ('b', NULL, NULL); \
             GRANT USAGE ON SCHEMA \"{schema}\" TO \"{name}\""
        ))
        .await;
    for setting in ["TimeZone = 'Asia/Tokyo'", "DateStyle = 'German'", "extra_float_digits = -10"] {
        role.set(setting).await;
    }
    let options = || reading(Schemas::from_iter([things()]));
    let store = other.0.open_with(&role.with(&serde_json::Value::Null), options()).await.unwrap();
    let scan = crate::existing::try_scan(&store, "things", Default::default());
    assert_eq!(scan.await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    other.run(&format!("GRANT SELECT ON things TO \"{name}\"")).await;
    let expected = [
        r#"{"key":"a","since":"2026-03-01T08:00:00Z","ratio":0.1}"#,
        r#"{"key":"b","since":null}"#,
    ];
    assert_eq!(documents(&store, "things").await, expected);
    other
        .run(
            "ALTER TABLE things ENABLE ROW LEVEL SECURITY; \
             CREATE POLICY mine ON things USING (key = 'a')",
        )
        .await;
    let error = crate::existing::try_scan(&store, "things", Default::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    store.close().await.unwrap();
}
