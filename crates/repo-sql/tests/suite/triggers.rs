//! What a trigger of another tool does to a transaction: it is told once, in the
//! database's own words, and never tried again.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use crate::common::{Store, key, machine, machines, options, prepared};
use crate::postgres::PostgresPlace;
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{Error, ErrorKind, RetryPolicy, transaction};
use repo_testkit::Place as _;
use tempfile::TempDir;

/// How a transaction over two keys ends, and how often it was tried.
async fn tried(store: &Store) -> (Error, usize) {
    let mut attempts = 0;
    let answer = transaction(store, RetryPolicy::default(), async |tx| {
        attempts += 1;
        tx.get(&key("a")).await?;
        tx.save(key("a"), machine("a", ""));
        tx.save(key("b"), machine("b", ""));
        Ok(())
    })
    .await;
    (answer.unwrap_err(), attempts)
}

#[tokio::test]
async fn a_trigger_of_sqlite_that_refuses_is_met_once() {
    for (body, kind, words, code) in [
        (
            "SELECT RAISE(ABORT, 'no writes on Sundays')",
            ErrorKind::Unexpected,
            "no writes on Sundays",
            "1811",
        ),
        (
            "INSERT INTO audit VALUES (NEW.machine_id)",
            ErrorKind::Foreign,
            "no such table: main.audit",
            "1",
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("m.db");
        let store = prepared(&file).await;
        let sql =
            format!("CREATE TRIGGER theirs BEFORE INSERT ON machines_records BEGIN {body}; END");
        crate::common::tool(&file).execute_batch(&sql).unwrap();
        let (error, attempts) = tried(&store).await;
        assert_eq!((error.kind(), attempts), (kind, 1), "{error}");
        assert_eq!(error.context_value("sqlite_code"), Some(code), "{error}");
        assert!(error.context_value("reason").unwrap().contains(words), "{error}");
        let error = store.save(key("c"), machine("c", "")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn a_trigger_of_postgresql_that_refuses_is_met_once() {
    for (body, kind, words) in [
        ("RAISE 'no writes on Sundays'", ErrorKind::Unexpected, "no writes on Sundays"),
        ("INSERT INTO audit VALUES (NEW.machine_id)", ErrorKind::Foreign, "audit"),
        ("RETURN NULL", ErrorKind::Foreign, "less than it was given"),
    ] {
        let place = PostgresPlace::new();
        let store = place.open(options(&[machines()])).await.unwrap();
        store.prepare(&[machines()]).await.unwrap();
        let sql = format!(
            "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; \
             RETURN NEW; END $$; CREATE TRIGGER theirs BEFORE INSERT ON machines_records \
             FOR EACH ROW EXECUTE FUNCTION theirs()"
        );
        place.tool().await.batch_execute(&sql).await.unwrap();
        let (error, attempts) = tried(&store).await;
        assert_eq!((error.kind(), attempts), (kind, 1), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        let error = store.save(key("c"), machine("c", "")).await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::Conflict, "{error}");
    }
}
