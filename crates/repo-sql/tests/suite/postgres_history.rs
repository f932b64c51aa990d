//! The history of a collection in PostgreSQL, beside other transactions, tools and
//! older programs.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use std::num::NonZeroUsize;

use crate::common::{Store, collection, key, machine, machines, options};
use crate::postgres::PostgresPlace;
use repo_core::strategy::{
    HistoryState, OlderThan, OlderVersion, StorageStrategyExt as _, StoreUpdate,
};
use repo_core::{
    EntityId, ErrorKind, HealthDepth, Precondition, Result, Timestamp, Version, Write,
};
use repo_testkit::Place as _;

fn history(kept: bool) -> StoreUpdate {
    let since = HistoryState::new(Timestamp::from_micros(0).unwrap());
    let (expected, history) = if kept { (None, Some(since)) } else { (Some(since), None) };
    StoreUpdate::History { collection: collection("machines"), expected, history }
}

async fn older(store: &Store, of: &str) -> Result<Vec<OlderVersion>> {
    let of = OlderThan::new(EntityId::new(of).unwrap(), Version::new(1_000).unwrap());
    store.older_versions(&collection("machines"), &[of], NonZeroUsize::new(9).unwrap()).await
}

async fn prepared(place: &PostgresPlace) -> Store {
    let store = place.open(options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    store
}

#[tokio::test]
async fn a_store_of_layout_2_keeps_histories_once_it_is_upgraded() {
    let place = PostgresPlace::new();
    drop(prepared(&place).await);
    place.tool().await.batch_execute(crate::postgres::LAYOUT_2).await.unwrap();
    let store = place.open(options(&[machines()])).await.unwrap();
    store.save(key("a"), machine("a", "")).await.unwrap();
    for refused in [
        store.update_store_record(history(true)).await.map(drop),
        older(&store, "a").await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.hint_text().unwrap().contains("`upgrade_layout`"), "{error}");
    }
    let other = place.open(options(&[machines()])).await.unwrap();
    assert_eq!(other.upgrade_layout().await.unwrap(), Some(2));
    other.update_store_record(history(true)).await.unwrap();
    // What the handle that was open before replaces is kept, too.
    store.save(key("a"), machine("a", "")).await.unwrap();
    assert_eq!(older(&store, "a").await.unwrap().len(), 1);
}

/// A row that is only a lock within a commit is no version.
#[tokio::test]
async fn a_lock_of_an_absent_id_is_no_version() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    store.update_store_record(history(true)).await.unwrap();
    for _ in 0..2 {
        let writes = vec![
            Write::put(key("m"), machine("m", ""), Precondition::Any),
            Write::check(key("absent"), Precondition::Absent),
            Write::delete(key("gone"), Precondition::Any),
        ];
        store.commit(writes).await.unwrap();
    }
    let all = "SELECT count(*) FROM \"machines-versions\"";
    assert_eq!(place.tool().await.query_one(all, &[]).await.unwrap().get::<_, i64>(0), 1);
}

/// A transaction that is under way when a history begins is waited for, and what is
/// replaced later is kept, also by one that began at an earlier state.
#[tokio::test]
async fn a_transaction_under_way_is_waited_for() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    for id in ["a", "b"] {
        store.save(key(id), machine(id, "")).await.unwrap();
    }
    let (writer, reader) = (place.tool().await, place.tool().await);
    let update = |id: &str| {
        format!("UPDATE machines_records SET _version = _version + 1 WHERE machine_id = '{id}'")
    };
    writer.batch_execute(&format!("BEGIN; {}", update("a"))).await.unwrap();
    reader.batch_execute("BEGIN; SELECT 1 FROM machines_records LIMIT 1").await.unwrap();
    let begin = tokio::spawn({
        let store = store.clone();
        async move { store.update_store_record(history(true)).await }
    });
    writer.batch_execute("COMMIT").await.unwrap();
    begin.await.unwrap().unwrap();
    reader.batch_execute(&format!("{}; COMMIT", update("b"))).await.unwrap();
    assert_eq!(older(&store, "b").await.unwrap().len(), 1);
    store.save(key("a"), machine("a", "")).await.unwrap();
    assert_eq!(older(&store, "a").await.unwrap()[0].version.get(), 2);
}

#[tokio::test]
async fn a_trigger_that_is_gone_is_said_and_not_overlooked() {
    for sql in [
        "DROP TRIGGER \"machines-keep-version-trigger\" ON machines_records",
        "ALTER TABLE machines_records DISABLE TRIGGER \"machines-keep-version-trigger\"",
    ] {
        let place = PostgresPlace::new();
        let store = prepared(&place).await;
        store.update_store_record(history(true)).await.unwrap();
        assert!(store.health(&HealthDepth::Quick).await.unwrap().is_ok());
        place.tool().await.batch_execute(sql).await.unwrap();
        assert!(!store.health(&HealthDepth::Quick).await.unwrap().is_ok());
        let error = older(&store, "a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
        assert!(error.hint_text().unwrap().contains("begin it again"));
        // As the hint says.
        store.update_store_record(history(false)).await.unwrap();
        store.update_store_record(history(true)).await.unwrap();
        assert_eq!(older(&store, "a").await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_name_that_is_taken_stays_what_it_is() {
    for theirs in [
        "CREATE TABLE \"machines-versions\" (x int)",
        "CREATE FUNCTION \"machines-keep-version-trigger\"() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ] {
        let place = PostgresPlace::new();
        let store = prepared(&place).await;
        place.tool().await.batch_execute(theirs).await.unwrap();
        let error = store.update_store_record(history(true)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
        assert!(store.store_record().await.unwrap().history.is_empty());
        store.save(key("a"), machine("a", "")).await.unwrap();
    }
}
