//! The history of a collection in SQLite, beside other tools and older programs.
#![cfg(feature = "sqlite")]

use std::num::NonZeroUsize;

use crate::common::{Store, collection, key, machine, open, prepared, tool};
use repo_core::strategy::{
    HistoryState, OlderState, OlderThan, OlderVersion, StorageStrategyExt as _, StoreUpdate,
};
use repo_core::{EntityId, ErrorKind, HealthDepth, Result, Timestamp, Version};
use tempfile::TempDir;

fn history(kept: bool) -> StoreUpdate {
    let since = HistoryState::new(Timestamp::from_micros(0).unwrap());
    let (expected, history) = if kept { (None, Some(since)) } else { (Some(since), None) };
    StoreUpdate::History { collection: collection("machines"), expected, history }
}

async fn older(store: &Store, of: &str) -> Result<Vec<OlderVersion>> {
    let of = OlderThan::new(EntityId::new(of).unwrap(), Version::new(1_000).unwrap());
    store.older_versions(&collection("machines"), &[of], NonZeroUsize::new(9).unwrap()).await
}

#[tokio::test]
async fn a_store_of_layout_2_keeps_histories_once_it_is_upgraded() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    prepared(&file).await.close().await.unwrap();
    tool(&file).execute_batch(crate::common::LAYOUT_2).unwrap();
    let store = open(&file).await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    for refused in [
        store.update_store_record(history(true)).await.map(drop),
        older(&store, "a").await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.hint_text().unwrap().contains("`upgrade_layout`"), "{error}");
    }
    assert_eq!(open(&file).await.upgrade_layout().await.unwrap(), Some(2));
    // What the handle that was open before replaces is kept, too.
    store.update_store_record(history(true)).await.unwrap();
    store.save(key("a"), machine("a", "")).await.unwrap();
    assert_eq!(older(&store, "a").await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_another_tool_replaces_is_kept() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    store.update_store_record(history(true)).await.unwrap();
    let update = "UPDATE machines_records SET document = json_set(document, '$.note', 'x'), \
                  _version = _version + 1 WHERE machine_id = 'a'";
    tool(&file).execute_batch(update).unwrap();
    let kept = older(&store, "a").await.unwrap();
    assert_eq!((kept.len(), kept[0].version), (1, Version::FIRST));
    let OlderState::Live { document, .. } = &kept[0].state else { panic!("{kept:?}") };
    assert!(document.equals(&machine("a", "")));
}

#[tokio::test]
async fn a_trigger_that_is_gone_is_said_and_not_overlooked() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    store.update_store_record(history(true)).await.unwrap();
    assert!(store.health(&HealthDepth::Quick).await.unwrap().is_ok());
    tool(&file).execute_batch(r#"DROP TRIGGER "machines-keep-version-trigger""#).unwrap();
    assert!(!store.health(&HealthDepth::Quick).await.unwrap().is_ok());
    let error = older(&store, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
    // As the hint says.
    assert!(error.hint_text().unwrap().contains("begin it again"));
    store.update_store_record(history(false)).await.unwrap();
    store.update_store_record(history(true)).await.unwrap();
    assert_eq!(older(&store, "a").await.unwrap(), []);
}

#[tokio::test]
async fn a_name_that_is_taken_stays_what_it_is() {
    for theirs in
        ["CREATE TABLE \"Machines-Versions\" (x)", "CREATE VIEW \"machines-versions\" AS SELECT 1"]
    {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("m.db");
        let store = prepared(&file).await;
        tool(&file).execute_batch(theirs).unwrap();
        let error = store.update_store_record(history(true)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
        assert!(store.store_record().await.unwrap().history.is_empty());
        store.save(key("a"), machine("a", "")).await.unwrap();
    }
}

#[tokio::test]
async fn a_damaged_version_is_said_in_words() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    store.update_store_record(history(true)).await.unwrap();
    for _ in 0..2 {
        store.save(key("a"), machine("a", "")).await.unwrap();
    }
    for sql in [
        "UPDATE \"machines-versions\" SET document = '{'",
        "UPDATE \"machines-versions\" SET document = NULL, _version = -1",
        "UPDATE _repo_store SET history = '{'",
    ] {
        tool(&file).execute_batch(sql).unwrap();
        let error = older(&store, "a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{sql}: {error}");
    }
}
