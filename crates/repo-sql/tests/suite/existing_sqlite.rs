//! Tables of another program in a SQLite file, as a store that is only read.
#![cfg(feature = "sqlite")]

use std::path::PathBuf;

use crate::existing::{
    Database, Store, collection, documents, entities, id, open, reading, things, try_open,
    try_scan, unreadable,
};
use async_trait::async_trait;
use repo_core::strategy::{OpenOptions, ScanOptions, StrategyFactory as _};
use repo_core::{Error, ErrorKind, Query, Schemas};
use repo_sql::SqliteFactory;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

/// A file of another program.
struct File(TempDir);

impl File {
    async fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("other's db?.sqlite")
    }

    fn tool(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

#[async_trait]
impl Database for File {
    async fn run(&self, sql: &str) {
        self.tool().execute_batch(sql).unwrap();
    }

    async fn open(&self, options: OpenOptions) -> Result<Store, Error> {
        let settings = json!({ "name": self.path().to_str().unwrap(), "timeout": 20 });
        SqliteFactory.open(&settings, options).await
    }

    fn is_sqlite(&self) -> bool {
        true
    }
}

crate::existing::all_cases!(File::new());

#[tokio::test]
async fn the_file_is_not_touched() {
    let file = File::new().await;
    file.run(
        "CREATE TABLE things (key TEXT PRIMARY KEY, status TEXT); \
         INSERT INTO things VALUES ('a', 'x'), ('b', 'y')",
    )
    .await;
    let before = std::fs::read(file.path()).unwrap();
    let store = open(&file).await;
    assert_eq!(entities(&store, "things").await.len(), 2);
    store.query(&collection("things"), &Query::all()).await.unwrap();
    store.health(&repo_core::HealthDepth::Quick).await.unwrap();
    assert!(store.prepare(&[things()]).await.is_err());
    store.close().await.unwrap();
    assert_eq!(std::fs::read(file.path()).unwrap(), before);
    assert_eq!(std::fs::read_dir(file.0.path()).unwrap().count(), 1);
}

/// Its times are those of the file: no row says when it was written.
#[tokio::test]
async fn a_file_in_wal_mode_is_read_with_its_log() {
    let file = File::new().await;
    let program = file.tool();
    program
        .execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE things (key TEXT PRIMARY KEY); \
             INSERT INTO things VALUES ('a')",
        )
        .unwrap();
    let store = open(&file).await;
    program.execute_batch("INSERT INTO things VALUES ('b')").unwrap();
    let found = entities(&store, "things").await;
    assert_eq!(found.len(), 2);
    let age = std::time::SystemTime::now()
        .duration_since(std::fs::metadata(file.path()).unwrap().modified().unwrap())
        .unwrap();
    assert!(age.as_secs() < 600 && found[0].updated_at <= std::time::SystemTime::now().into());
}

#[tokio::test]
async fn a_key_of_any_order_is_paged_by_its_index() {
    for (table, order) in [
        ("key TEXT COLLATE NOCASE PRIMARY KEY", "b,C,d,E"),
        ("key TEXT COLLATE RTRIM PRIMARY KEY", "C,E,b,d"),
        ("key TEXT, UNIQUE (key COLLATE NOCASE)", "b,C,d,E"),
        ("key TEXT PRIMARY KEY DESC", "C,E,b,d"),
    ] {
        let file = File::new().await;
        file.run(&format!("CREATE TABLE things ({table})")).await;
        file.run("INSERT INTO things VALUES ('d'), ('E'), ('b'), ('C')").await;
        let store = open(&file).await;
        let one_by_one = ScanOptions::default().with_batch_size(std::num::NonZeroUsize::MIN);
        let records = try_scan(&store, "things", one_by_one).await.unwrap();
        let ids: Vec<&str> = records.iter().map(|record| record.id().as_str()).collect();
        assert_eq!(ids.join(","), order, "{table}");
        let found = store.get_many(&collection("things"), &[id("B"), id("C")]).await.unwrap();
        assert!(found[0].is_none() && found[1].is_some(), "{table}");
    }
}

#[tokio::test]
async fn a_table_without_row_numbers_is_read() {
    let file = File::new().await;
    file.run(
        "CREATE TABLE things (key TEXT PRIMARY KEY, rowid TEXT, tags TEXT) WITHOUT ROWID; \
         INSERT INTO things VALUES ('a', 'r', '{}'), ('b', NULL, 'x')",
    )
    .await;
    let error = unreadable(&file).await;
    assert_eq!(error.context_value("row"), Some("unknown"));
    assert_eq!(error.context_value("key"), Some("things/b"));
    file.run("DELETE FROM things WHERE key = 'b'").await;
    let expected = [r#"{"key":"a","rowid":"r","tags":{}}"#];
    assert_eq!(documents(&open(&file).await, "things").await, expected);
}

/// `1` and `'1'` may stand beside each other, and would be one id.
#[tokio::test]
async fn an_id_of_an_unclear_type_is_named() {
    for value in ["1", "1.5", "x'41'"] {
        let file = File::new().await;
        file.run(&format!(
            "CREATE TABLE things (key PRIMARY KEY); INSERT INTO things VALUES ('1'), ({value})"
        ))
        .await;
        let error = unreadable(&file).await;
        assert_eq!(error.context_value("row"), Some("rowid 2"), "{error}");
    }
    let file = File::new().await;
    file.run("CREATE TABLE things (key INTEGER UNIQUE); INSERT INTO things VALUES (1.5)").await;
    let error = unreadable(&file).await;
    assert_eq!(error.context_value("id"), Some("\"1.5\""), "{error}");
}

#[tokio::test]
async fn what_sqlite_lets_into_any_column_is_named() {
    for (value, reason) in [
        ("CAST(x'ff' AS TEXT)", "not UTF-8"),
        ("9e999", "infinite"),
        ("'a' || char(0) || 'b'", "U+0000"),
    ] {
        let file = File::new().await;
        file.run(&format!(
            "CREATE TABLE things (key TEXT PRIMARY KEY, weight); \
             INSERT INTO things VALUES ('a', {value})"
        ))
        .await;
        let error = unreadable(&file).await;
        assert_eq!(error.context_value("column"), Some("weight"), "{error}");
        assert!(error.context_value("reason").unwrap().contains(reason), "{error}");
    }
}

/// A unique index that another tool only claims to be one.
#[tokio::test]
async fn an_id_that_stands_twice_is_named() {
    let file = File::new().await;
    file.run(
        "CREATE TABLE things (key TEXT); CREATE INDEX k ON things (key); \
         INSERT INTO things VALUES ('a'), ('b'), ('b'), ('c'); \
         PRAGMA writable_schema = ON; \
         UPDATE sqlite_master SET sql = 'CREATE UNIQUE INDEX k ON things (key)' WHERE name = 'k'",
    )
    .await;
    let error = unreadable(&file).await;
    assert_eq!(error.context_value("key"), Some("things/b"), "{error}");
    assert!(error.hint_text().unwrap().contains("REINDEX"));
}

#[tokio::test]
async fn a_virtual_table_is_refused() {
    let file = File::new().await;
    file.run("CREATE VIRTUAL TABLE things USING fts5(key)").await;
    let error = try_open(&file).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert!(error.context_value("as_a_source").unwrap().contains("virtual"), "{error}");
}

#[tokio::test]
async fn a_store_of_ours_is_never_taken_for_anothers() {
    let file = File::new().await;
    let options = reading(Schemas::from_iter([things()]));
    let store = file.open(options.clone().with_read_only(false)).await.unwrap();
    store.prepare(&[things()]).await.unwrap();
    store.close().await.unwrap();
    let store = file.open(options.clone()).await.unwrap();
    assert!(store.foreign().is_none());
    store.close().await.unwrap();
    file.run("DROP VIEW things; CREATE TABLE things (key TEXT PRIMARY KEY)").await;
    let error = file.open(options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert_eq!(error.context_value("as_a_source"), None, "{error}");
}

/// The index of the ids is what pages follow, also where it says `COLLATE`.
#[tokio::test]
async fn pages_do_not_sort() {
    let file = File::new().await;
    let tool = file.tool();
    for key in ["TEXT PRIMARY KEY", "INTEGER PRIMARY KEY", "VARCHAR(9) COLLATE NOCASE UNIQUE"] {
        tool.execute_batch(&format!(
            "DROP TABLE IF EXISTS t; CREATE TABLE t (\"key\" {key}, x TEXT)"
        ))
        .unwrap();
        let order = if key.contains("NOCASE") { "NOCASE" } else { "BINARY" };
        for rest in ["> ?1", "IN (SELECT \"value\" FROM json_each(?1))"] {
            let sql = format!(
                "EXPLAIN QUERY PLAN SELECT rowid, x FROM t WHERE \"key\" COLLATE \"{order}\" {rest} \
                 ORDER BY \"key\" COLLATE \"{order}\""
            );
            let mut statement = tool.prepare(&sql).unwrap();
            let steps: Vec<String> =
                statement.query_map(["5"], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            let plan = steps.join("; ");
            assert!(plan.contains("SEARCH t USING"), "{key}: {plan}");
            assert!(rest.starts_with("IN") || !plan.contains("TEMP B-TREE"), "{key}: {plan}");
        }
    }
}
