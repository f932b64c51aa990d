//! The change feed of SQLite beside other tools and older programs.
#![cfg(feature = "sqlite")]

use std::num::NonZeroUsize;

use crate::common::{Store, key, machine, open, prepared, tool};
use repo_core::strategy::{CaptureHolder, RecordChange, StorageStrategyExt as _, StoreUpdate};
use repo_core::{ErrorKind, HealthDepth};
use tempfile::TempDir;

fn hold() -> StoreUpdate {
    StoreUpdate::HoldCapture(CaptureHolder::new("consumer", "a").unwrap())
}

fn release() -> StoreUpdate {
    StoreUpdate::ReleaseCapture(CaptureHolder::new("consumer", "a").unwrap())
}

async fn all(store: &Store) -> Vec<RecordChange> {
    store.changes(None, NonZeroUsize::new(100).unwrap()).await.unwrap().changes
}

#[tokio::test]
async fn a_store_of_layout_2_captures_once_it_is_upgraded() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    prepared(&file).await.close().await.unwrap();
    tool(&file).execute_batch(crate::common::LAYOUT_2).unwrap();
    let store = open(&file).await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    for refused in [
        store.update_store_record(hold()).await.map(drop),
        store.head().await.map(drop),
        store.changes(None, NonZeroUsize::MIN).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.hint_text().unwrap().contains("`upgrade_layout`"), "{error}");
    }
    store.update_store_record(release()).await.unwrap();
    assert_eq!(open(&file).await.upgrade_layout().await.unwrap(), Some(2));
    // The handle that was open before is captured, too.
    store.update_store_record(hold()).await.unwrap();
    store.save(key("a"), machine("a", "")).await.unwrap();
    assert_eq!(all(&store).await[0].version.get(), 2);
}

#[tokio::test]
async fn what_another_tool_writes_is_captured() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    store.update_store_record(hold()).await.unwrap();
    tool(&file)
        .execute_batch(
            "UPDATE machines_records SET document = json_set(document, '$.note', 'x'), \
             _version = _version + 1 WHERE machine_id = 'a'",
        )
        .unwrap();
    let changes = all(&store).await;
    assert_eq!((changes.len(), changes[0].version.get(), changes[0].exact), (1, 2, true));
}

#[tokio::test]
async fn a_trigger_that_is_gone_is_said_and_not_overlooked() {
    for sql in [
        r#"DROP TRIGGER "machines-captured-insert-trigger""#,
        r#"DROP TRIGGER "machines-captured-update-trigger";
           CREATE TRIGGER "machines-captured-update-trigger" AFTER UPDATE ON machines_records
           BEGIN SELECT 1; END"#,
    ] {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("m.db");
        let store = prepared(&file).await;
        store.update_store_record(hold()).await.unwrap();
        assert!(store.health(&HealthDepth::Quick).await.unwrap().is_ok());
        tool(&file).execute_batch(sql).unwrap();
        assert!(!store.health(&HealthDepth::Quick).await.unwrap().is_ok());
        let error = store.changes(None, NonZeroUsize::MIN).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign);
        assert!(error.hint_text().unwrap().contains("begin it again"));
        assert_eq!(store.head().await.unwrap_err().kind(), ErrorKind::Foreign);
        // As the hint says.
        store.update_store_record(release()).await.unwrap();
        store.update_store_record(hold()).await.unwrap();
        store.save(key("a"), machine("a", "")).await.unwrap();
        assert_eq!(all(&store).await.len(), 1);
    }
}

#[tokio::test]
async fn a_name_that_is_taken_stays_what_it_is() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    let theirs = r#"CREATE TABLE "machines-captured-update-trigger" (x)"#;
    tool(&file).execute_batch(theirs).unwrap();
    let error = store.update_store_record(hold()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert!(store.store_record().await.unwrap().capture.is_unused());
    store.save(key("a"), machine("a", "")).await.unwrap();
}

#[tokio::test]
async fn a_damaged_log_is_said_in_words() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    store.update_store_record(hold()).await.unwrap();
    store.save(key("a"), machine("a", "")).await.unwrap();
    for sql in [
        "UPDATE _repo_changes SET collection = 'No Name'",
        "UPDATE _repo_changes SET collection = 'machines', version = -1",
        "UPDATE _repo_store SET capture = '{'",
    ] {
        tool(&file).execute_batch(sql).unwrap();
        let error = store.changes(None, NonZeroUsize::MIN).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{sql}: {error}");
    }
}

/// Of a log that is long, the removal does not hold others up: it goes in steps.
#[tokio::test]
async fn a_long_log_is_removed() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    store.update_store_record(hold()).await.unwrap();
    tool(&file)
        .execute_batch(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 25000) \
             INSERT INTO _repo_changes (collection, id, version, deleted, captured_at) \
             SELECT 'machines', 'a', n, 0, 0 FROM n",
        )
        .unwrap();
    let head = store.head().await.unwrap();
    assert_eq!(head.shards(), [25_000]);
    store.trim_changes(&head).await.unwrap();
    let left: i64 =
        tool(&file).query_row("SELECT count(*) FROM _repo_changes", [], |row| row.get(0)).unwrap();
    assert_eq!((left, all(&store).await.len()), (0, 0));
}
