//! What is not ours is refused by name and left as it is.
#![cfg(feature = "sqlite")]

use std::path::Path;

use crate::common::{collection, key, machine, machines, options, prepared, try_open};
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{CollectionSchema, Error, ErrorKind, Schemas};
use tempfile::TempDir;

fn made_by(file: &Path, sql: &str) {
    crate::common::tool(file).execute_batch(sql).unwrap();
}

fn assert_foreign(error: &Error, name: &str) {
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert_eq!(error.context_value("name"), Some(name), "{error}");
    assert!(error.hint_text().is_some());
}

const FOREIGN: [(&str, &str); 6] = [
    ("machines", "CREATE TABLE machines (id TEXT, status TEXT)"),
    ("Machines", "CREATE TABLE Machines (id TEXT)"),
    ("machines", "CREATE TABLE x (a); CREATE VIEW machines AS SELECT a FROM x"),
    ("machines_records", "CREATE TABLE machines_records (machine_id TEXT PRIMARY KEY, document)"),
    (
        "machines-status-index",
        "CREATE TABLE x (a); CREATE INDEX \"machines-status-index\" ON x (a)",
    ),
    ("machines_records", "CREATE VIEW machines_records AS SELECT 1 AS machine_id"),
];

#[tokio::test]
async fn foreign_tables_are_refused_unaltered() {
    for (name, sql) in FOREIGN {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("other.db");
        made_by(&file, sql);
        let before = std::fs::read(&file).unwrap();

        for read_only in [false, true] {
            let options = options(&[machines()]).with_read_only(read_only);
            assert_foreign(&try_open(&file, options).await.unwrap_err(), name);
        }
        // Opened by one that declares nothing, and then prepared or used.
        let store = try_open(&file, options(&[])).await.unwrap();
        assert_foreign(&store.prepare(&[machines()]).await.unwrap_err(), name);
        if !name.contains('-') {
            let used = store.get(&collection("machines"), &key("a").id).await.unwrap_err();
            assert_foreign(&used, name);
            let used = store.save(key("a"), machine("a", "")).await.unwrap_err();
            assert_foreign(&used, name);
        }
        store.close().await.unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), before, "{sql}");
        let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
    }
}

#[tokio::test]
async fn a_foreign_record_of_the_store_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("other.db");
    made_by(&file, "CREATE TABLE _repo_store (a, b)");
    let error = try_open(&file, options(&[machines()])).await.unwrap_err();
    assert_foreign(&error, "_repo_store");
}

#[tokio::test]
async fn other_tables_may_stand_beside_ours() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("shared.db");
    made_by(&file, "CREATE TABLE accounts (name TEXT); INSERT INTO accounts VALUES ('x')");
    let store = prepared(&file).await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    assert_eq!(store.collections().await.unwrap(), [collection("machines")]);
    made_by(&file, "CREATE INDEX mine ON machines_records (_updated_at)");
    store.save(key("b"), machine("b", "")).await.unwrap();
    assert!(store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
}

#[tokio::test]
async fn what_another_tool_alters_is_refused_by_open_handles_too() {
    let altered = [
        ("machines_records", "ALTER TABLE machines_records ADD COLUMN extra TEXT"),
        ("machines", "DROP VIEW machines; CREATE TABLE machines (a)"),
        ("machines", "DROP VIEW machines; CREATE VIEW machines AS SELECT 1 AS a"),
        (
            "machines-status-index",
            "DROP INDEX \"machines-status-index\";
             CREATE INDEX \"machines-status-index\" ON machines_records (_version)",
        ),
    ];
    for (name, sql) in altered {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("m.db");
        let store = prepared(&file).await;
        store.save(key("a"), machine("a", "")).await.unwrap();
        made_by(&file, sql);
        let all = repo_core::Query::all();
        let machines_name = collection("machines");
        assert_foreign(&store.save(key("b"), machine("b", "")).await.unwrap_err(), name);
        assert_foreign(&store.query(&machines_name, &all).await.unwrap_err(), name);
        assert_foreign(&store.prepare(&[machines()]).await.unwrap_err(), name);
        assert_foreign(&try_open(&file, options(&[])).await.unwrap_err(), name);
        assert!(!store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_table_that_is_gone_is_corrupt() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    made_by(&file, "DROP VIEW machines; DROP TABLE machines_records");
    let error = store.save(key("b"), machine("b", "")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(error.context_value("table"), Some("machines_records"));
}

#[tokio::test]
async fn two_of_our_own_collections_may_collide() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = try_open(&file, options(&[])).await.unwrap();
    let plain = |name: &str| CollectionSchema::undeclared(collection(name));
    let error = store.prepare(&[plain("a"), plain("a_records")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(error.context_value("name"), Some("a_records"), "{error}");
    assert_eq!(store.collections().await.unwrap(), []);
    store.prepare(&[plain("a")]).await.unwrap();
    assert_foreign(&store.prepare(&[plain("a_records")]).await.unwrap_err(), "a_records");
}

#[tokio::test]
async fn another_id_field_than_prepared_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    prepared(&file).await.close().await.unwrap();
    let other =
        CollectionSchema::parse(&crate::common::MACHINES.replace("machine_id", "name")).unwrap();
    let error = try_open(&file, options(&[other])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert_eq!(error.context_value("stored"), Some("machine_id"));
    // One that declares nothing learns the id field from the store.
    let store = try_open(&file, options(&[])).await.unwrap();
    store.save(key("a"), machine("a", "")).await.unwrap();
    let undeclared = Schemas::default().get(&collection("machines"));
    assert_eq!(store.prepare(&[undeclared]).await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
}
