//! States of a SQLite file that a reader meets and cannot mend: each says what it
//! is and what to do.
#![cfg(feature = "sqlite")]

use std::path::{Path, PathBuf};

use crate::common::{collection, key, machine, options, prepared, try_open};
use repo_core::strategy::{ScanOptions, StorageStrategyExt as _};
use repo_core::{CollectionSchema, Error, ErrorKind};
use rusqlite::Connection;
use tempfile::TempDir;

fn made(folder: &Path, sql: &str) -> PathBuf {
    let file = folder.join("theirs.db");
    Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    file
}

fn things() -> CollectionSchema {
    CollectionSchema::parse(
        r#"{"type": "object", "x-repository": {"collection": "things", "idField": "key"},
            "properties": {"key": {"type": "string"}, "note": {"type": "string"}}}"#,
    )
    .unwrap()
}

/// How reading the things of a file ends: on opening or on the way.
async fn refused(file: &Path) -> Error {
    let reading = options(&[things()]).with_read_only(true);
    let read = async {
        let store = try_open(file, reading).await?;
        repo_testkit::batches(store.scan(&collection("things"), ScanOptions::default()).await?)
            .await
    };
    read.await.unwrap_err()
}

const MANY: &str = "CREATE TABLE things (key TEXT PRIMARY KEY, note TEXT); \
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
     INSERT INTO things SELECT 'k' || i, hex(zeroblob(100)) FROM n";

/// A writer was killed in the middle: its journal has to be played back, which
/// a reader does not do.
#[tokio::test]
async fn a_write_that_was_broken_off_is_called_that() {
    let dir = TempDir::new().unwrap();
    let file = made(dir.path(), MANY);
    let writer = Connection::open(&file).unwrap();
    writer
        .execute_batch("PRAGMA cache_size = 5; BEGIN; UPDATE things SET note = hex(zeroblob(101))")
        .unwrap();
    // As a kill leaves both files.
    let copy = dir.path().join("copy.db");
    std::fs::copy(&file, &copy).unwrap();
    let journal = |file: &Path| PathBuf::from(format!("{}-journal", file.display()));
    std::fs::copy(journal(&file), journal(&copy)).unwrap();
    let before = std::fs::read(&copy).unwrap();
    let error = refused(&copy).await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.message().contains("broke off"), "{error}");
    assert!(error.hint_text().unwrap().contains("-journal"), "{error:?}");
    assert_eq!(std::fs::read(&copy).unwrap(), before, "a reader changes nothing");
}

/// Whether a log was left behind cannot be known of a file that is whole; of one
/// that is damaged the hint says so.
#[tokio::test]
async fn a_damaged_copy_without_its_log_is_told_of_the_log() {
    let dir = TempDir::new().unwrap();
    let file = made(dir.path(), &format!("PRAGMA journal_mode = WAL; {MANY}"));
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 8 * 4]).unwrap();
    let error = refused(&file).await;
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.hint_text().unwrap().contains("-wal"), "{error:?}");
    std::fs::remove_file(&file).unwrap();
    let file = made(dir.path(), MANY);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 8 * 4]).unwrap();
    let error = refused(&file).await;
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(!error.hint_text().unwrap().contains("-wal"), "{error:?}");
}

/// A collation that a program registers with SQLite is known to it alone.
#[tokio::test]
async fn a_collation_of_another_program_is_named() {
    let rename = "PRAGMA writable_schema = ON; \
         UPDATE sqlite_master SET sql = replace(sql, 'RTRIM', 'THEIRS'); \
         PRAGMA writable_schema = OFF";
    let dir = TempDir::new().unwrap();
    let sql = "CREATE TABLE things (key TEXT COLLATE RTRIM PRIMARY KEY); \
         INSERT INTO things VALUES ('a'), ('b')";
    let file = made(dir.path(), &format!("{sql}; {rename}"));
    let error = refused(&file).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.message().contains("collation"), "{error}");
    assert!(error.context_value("reason").unwrap().contains("THEIRS"), "{error}");
    // An index of theirs on a table of ours.
    let file = dir.path().join("ours.db");
    let store = prepared(&file).await;
    let index = "CREATE INDEX theirs ON machines_records (machine_id COLLATE RTRIM)";
    crate::common::tool(&file).execute_batch(&format!("{index}; {rename}")).unwrap();
    store.close().await.unwrap();
    let store = crate::common::open(&file).await;
    let error = store.save(key("a"), machine("a", "")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.hint_text().is_some(), "{error:?}");
}
