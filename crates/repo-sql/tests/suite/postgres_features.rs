//! Servers that lack something that a store needs: refused when one is to be made.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use crate::common::{Store, machines, options};
use crate::postgres::database::Database;
use crate::postgres::proxy::{Fate, Proxy};
use crate::postgres::{PostgresPlace, tool};
use repo_core::{Error, ErrorKind};

/// Both who asks and who prepares is refused, and what is lacking is named.
async fn refused(store: &Store) -> (String, Error) {
    let asked = store.check_prepare(&[machines()]).await.unwrap_err();
    let error = store.prepare(&[machines()]).await.unwrap_err();
    assert_eq!(asked.kind(), ErrorKind::Unsupported, "{asked}");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let lacks = error.context_value("lacks").unwrap().to_owned();
    assert_eq!(asked.context_value("lacks"), Some(lacks.as_str()));
    assert!(error.hint_text().unwrap().contains("PostgreSQL 15"), "{error}");
    (lacks, error)
}

async fn is_there(schema: &str) -> bool {
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)";
    tool().await.query_one(sql, &[&schema]).await.unwrap().get(0)
}

/// A server that refuses a part of the language in its own words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_lacks_is_named() {
    for (text, named) in [
        ("GENERATED ALWAYS AS (", "stored generated columns"),
        ("AS IDENTITY", "identity columns"),
        ("DO UPDATE", "INSERT … ON CONFLICT DO UPDATE … WHERE … RETURNING"),
        ("WITH ORDINALITY", "arrays as rows (unnest … WITH ORDINALITY, LATERAL)"),
        ("SKIP LOCKED", "FOR UPDATE SKIP LOCKED"),
        ("SHARE ROW EXCLUSIVE", "LOCK TABLE … IN SHARE ROW EXCLUSIVE MODE"),
        (
            "SECURITY DEFINER",
            "PL/pgSQL functions with the rights of their owner (SECURITY DEFINER)",
        ),
        ("FOR EACH ROW", "triggers for each row, with a condition"),
        ("FOR EACH STATEMENT", "triggers for each statement, with arguments"),
        ("xmin", "the transaction that wrote a row (xmin)"),
    ] {
        let place = PostgresPlace::new();
        let proxy = Proxy::start().await;
        let store = place.open_with(&proxy.settings(), options(&[machines()])).await.unwrap();
        proxy.when(text, Fate::Spoil);
        let (lacks, error) = refused(&store).await;
        assert_eq!(lacks, named, "{text}");
        let reason = error.context_value("reason").unwrap();
        assert!(reason.contains("syntax error"), "{text}: {reason}");
        assert!(!is_there(&place.schema).await, "{text}");
        // The handle is well: once the server can, the store is made.
        proxy.when("", Fate::Forward);
        store.prepare(&[machines()]).await.unwrap();
        assert!(is_there(&place.schema).await, "{text}");
    }
}

/// A real server from which the language of the triggers was taken away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_a_language_for_triggers_is_refused() {
    let database = Database::new().await;
    let tool = database.tool().await;
    tool.batch_execute("DROP EXTENSION plpgsql").await.unwrap();
    let place = PostgresPlace::new();
    let store = place.open_with(&database.settings(), options(&[machines()])).await.unwrap();
    let (lacks, error) = refused(&store).await;
    let expected = [
        "PL/pgSQL functions with the rights of their owner (SECURITY DEFINER)",
        "triggers for each row, with a condition",
        "triggers for each statement, with arguments",
    ];
    assert_eq!(lacks, expected.join("; "));
    assert!(error.context_value("reason").unwrap().contains("plpgsql"), "{error}");
    tool.batch_execute("CREATE EXTENSION plpgsql").await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
}

/// A server that takes a statement and does something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_statement_does_is_looked_at() {
    let database = Database::new().await;
    let tool = database.tool().await;
    let set = "ALTER DATABASE {} SET session_replication_role = replica";
    tool.batch_execute(&set.replace("{}", &database.name)).await.unwrap();
    let place = PostgresPlace::new();
    let store = place.open_with(&database.settings(), options(&[machines()])).await.unwrap();
    // Triggers are made, and none runs.
    let (lacks, error) = refused(&store).await;
    let expected =
        ["triggers for each row, with a condition", "triggers for each statement, with arguments"];
    assert_eq!(lacks, expected.join("; "));
    assert!(error.context_value("reason").unwrap().contains("division by zero"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_all_is_asked_once() {
    let place = PostgresPlace::new();
    let proxy = Proxy::start().await;
    let asked = || proxy.seen().iter().filter(|seen| seen.contains("\"_repo_trial\"")).count();
    let store = place.open_with(&proxy.settings(), options(&[machines()])).await.unwrap();
    assert_eq!(asked(), 0);
    store.prepare(&[machines()]).await.unwrap();
    assert_eq!(asked(), 1);
    store.prepare(&[machines()]).await.unwrap();
    let again = place.open_with(&proxy.settings(), options(&[machines()])).await.unwrap();
    again.prepare(&[machines()]).await.unwrap();
    assert_eq!(asked(), 1);
    // Nothing of it is left.
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE '\\_repo\\_trial%'";
    assert_eq!(place.tool().await.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}
