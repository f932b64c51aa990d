//! The change feed of PostgreSQL beside other transactions, tools and older programs.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use std::num::NonZeroUsize;

use crate::common::{Store, key, machine, machines, options};
use crate::postgres::PostgresPlace;
use repo_core::strategy::{CaptureHolder, RecordChange, StorageStrategyExt as _, StoreUpdate};
use repo_core::{ErrorKind, HealthDepth, Precondition, Write};
use repo_testkit::Place as _;
use serde_json::json;

fn hold() -> StoreUpdate {
    StoreUpdate::HoldCapture(CaptureHolder::new("consumer", "a").unwrap())
}

fn release() -> StoreUpdate {
    StoreUpdate::ReleaseCapture(CaptureHolder::new("consumer", "a").unwrap())
}

async fn all(store: &Store) -> Vec<RecordChange> {
    store.changes(None, NonZeroUsize::new(100).unwrap()).await.unwrap().changes
}

async fn prepared(place: &PostgresPlace) -> Store {
    let store = place.open(options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    store
}

#[tokio::test]
async fn a_store_of_layout_2_captures_once_it_is_upgraded() {
    let place = PostgresPlace::new();
    drop(prepared(&place).await);
    place.tool().await.batch_execute(crate::postgres::LAYOUT_2).await.unwrap();
    let store = place.open(options(&[machines()])).await.unwrap();
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
    let other = place.open(options(&[machines()])).await.unwrap();
    assert_eq!(other.upgrade_layout().await.unwrap(), Some(2));
    other.update_store_record(hold()).await.unwrap();
    // The handle that was open before is captured, too.
    store.save(key("a"), machine("a", "")).await.unwrap();
    assert_eq!(all(&store).await[0].version.get(), 2);
}

/// A transaction that is open all the time stalls nothing, and what it writes comes
/// once it is committed.
#[tokio::test]
async fn an_open_transaction_stalls_nothing() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    store.save(key("slow"), machine("slow", "")).await.unwrap();
    store.update_store_record(hold()).await.unwrap();
    let tool = place.tool().await;
    tool.batch_execute("BEGIN; UPDATE machines_records SET _version = 2 WHERE machine_id = 'slow'")
        .await
        .unwrap();
    store.save(key("quick"), machine("quick", "")).await.unwrap();
    let first = store.changes(None, NonZeroUsize::new(9).unwrap()).await.unwrap();
    assert_eq!(first.changes.len(), 1);
    assert_eq!(first.changes[0].key, key("quick"));
    store.save(key("quick"), machine("quick", "")).await.unwrap();
    tool.batch_execute("COMMIT").await.unwrap();
    let rest = store.changes(Some(&first.next), NonZeroUsize::new(9).unwrap()).await.unwrap();
    let mut seen: Vec<_> =
        rest.changes.iter().map(|c| (c.key.id.to_string(), c.version.get())).collect();
    seen.sort();
    assert_eq!(seen, [("quick".to_owned(), 2), ("slow".to_owned(), 2)]);
}

/// What is only a lock within a commit comes and goes in the inbox, also when another
/// reader moves the inbox in between.
#[tokio::test]
async fn a_lock_of_an_absent_id_is_no_change() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    store.update_store_record(hold()).await.unwrap();
    let commits = (0..20).map(|n| {
        let store = &store;
        async move {
            let absent = format!("absent-{n}");
            let writes = vec![
                Write::put(
                    key(&format!("m-{n}")),
                    machine(&format!("m-{n}"), ""),
                    Precondition::Any,
                ),
                Write::check(key(&absent), Precondition::Absent),
                Write::delete(key(&format!("gone-{n}")), Precondition::Any),
            ];
            store.commit(writes).await.unwrap();
            all(store).await.len()
        }
    });
    futures::future::join_all(commits).await;
    let changes = all(&store).await;
    assert_eq!(changes.len(), 20);
    assert!(changes.iter().all(|change| change.key.id.as_str().starts_with("m-")));
    let left = "SELECT count(*) FROM _repo_inbox";
    assert_eq!(place.tool().await.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}

/// Writers wait for the switch only for a moment, and the answer names who is in the
/// way.
#[tokio::test]
async fn a_long_transaction_in_the_way_is_named() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    let tool = place.tool().await;
    let pid: i32 = tool.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    tool.batch_execute(
        "SET application_name = 'a report'; BEGIN; \
         UPDATE machines_records SET _version = 2 WHERE machine_id = 'a'",
    )
    .await
    .unwrap();
    let patience = json!({ "timeout": 0 });
    let hasty = place.open_with(&patience, options(&[machines()])).await.unwrap();
    let error = hasty.update_store_record(hold()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(error.context_value("pid"), Some(pid.to_string().as_str()));
    assert_eq!(error.context_value("application_name"), Some("a report"));
    let open = store.oldest_transaction().await.unwrap().unwrap();
    assert_eq!((open.pid, open.application_name.as_str()), (i64::from(pid), "a report"));
    assert!(store.store_record().await.unwrap().capture.is_unused());
    store.save(key("b"), machine("b", "")).await.unwrap();
    // One that is more patient gets there when the transaction ends.
    let patient = store.update_store_record(hold());
    let end = async {
        let waits = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted \
                     AND relation = 'machines_records'::regclass)";
        let watcher = place.tool().await;
        crate::postgres::eventually(&watcher, waits).await;
        tool.batch_execute("COMMIT").await.unwrap();
    };
    let (held, ()) = tokio::join!(patient, end);
    assert!(held.unwrap().capture.is_on());
}

#[tokio::test]
async fn a_trigger_that_is_gone_is_said_and_not_overlooked() {
    for sql in [
        r#"DROP TRIGGER "machines-capture-trigger" ON machines_records"#,
        r#"ALTER TABLE machines_records DISABLE TRIGGER "machines-capture-trigger""#,
        "ALTER TABLE machines_records DISABLE TRIGGER ALL",
    ] {
        let place = PostgresPlace::new();
        let store = prepared(&place).await;
        store.update_store_record(hold()).await.unwrap();
        let tool = place.tool().await;
        assert!(store.health(&HealthDepth::Quick).await.unwrap().is_ok());
        tool.batch_execute(sql).await.unwrap();
        assert!(!store.health(&HealthDepth::Quick).await.unwrap().is_ok());
        let error = store.changes(None, NonZeroUsize::MIN).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign, "{sql}");
        assert_eq!(store.head().await.unwrap_err().kind(), ErrorKind::Foreign);
        store.update_store_record(release()).await.unwrap();
        store.update_store_record(hold()).await.unwrap();
        store.save(key("a"), machine("a", "")).await.unwrap();
        assert_eq!(all(&store).await.len(), 1);
    }
}

#[tokio::test]
async fn a_name_that_is_taken_stays_what_it_is() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    let theirs = r#"CREATE FUNCTION "machines-capture-trigger"() RETURNS trigger LANGUAGE plpgsql
                    AS 'BEGIN RETURN NULL; END'"#;
    place.tool().await.batch_execute(theirs).await.unwrap();
    let error = store.update_store_record(hold()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert!(store.store_record().await.unwrap().capture.is_unused());
    store.save(key("a"), machine("a", "")).await.unwrap();
}

/// A user who may write records and nothing else is captured.
#[tokio::test]
async fn a_user_without_rights_on_the_feed_is_captured() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    store.update_store_record(hold()).await.unwrap();
    let schema = &place.schema;
    let tool = place.tool().await;
    let role = format!("r_{schema}");
    tool.batch_execute(&format!(
        "CREATE ROLE {role}; GRANT USAGE ON SCHEMA {schema} TO {role}; \
         GRANT INSERT, SELECT, UPDATE ON machines_records TO {role}; SET ROLE {role}; \
         INSERT INTO machines_records (machine_id, _version, _created_at, _updated_at, document) \
         VALUES ('theirs', 1, 1, 1, '{{\"machine_id\":\"theirs\"}}'); RESET ROLE; \
         DROP OWNED BY {role}; DROP ROLE {role}"
    ))
    .await
    .unwrap();
    let changes = all(&store).await;
    assert_eq!((changes.len(), changes[0].key.clone()), (1, key("theirs")));
}
