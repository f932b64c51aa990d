//! Limits of a PostgreSQL server, of its users and of what they may see.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use crate::common::{collection, key, machine, machines, options};
use crate::postgres::role::Role;
use crate::postgres::{PostgresPlace, tool};
use repo_core::strategy::{PrepareChange, StorageStrategyExt as _};
use repo_core::{CollectionSchema, Consistency, ErrorKind, Filter, Query};
use repo_testkit::Place as _;
use serde_json::{Value as Json, json};

/// Each table, index and view that is made is locked until its transaction ends,
/// and a server has room for some thousands of locks.
#[tokio::test]
async fn many_collections_are_made_in_several_transactions() {
    let place = PostgresPlace::new();
    let store = place.open(options(&[])).await.unwrap();
    let named = |at: usize| CollectionSchema::undeclared(collection(&format!("c{at}")));
    let schemas: Vec<_> = (0..120).map(named).collect();
    let made = store.prepare(&schemas).await.unwrap();
    let names: Vec<_> = made.iter().map(|made| made.collection.to_string()).collect();
    assert_eq!(names, (0..120).map(|at| format!("c{at}")).collect::<Vec<_>>());
    assert!(made.iter().all(|made| made.change == PrepareChange::Created));
    assert_eq!(store.collections().await.unwrap().len(), 120);
    let sql = "SELECT count(DISTINCT xmin::text) FROM pg_class \
               WHERE relnamespace = to_regnamespace($1) AND relname LIKE 'c%records'";
    let row = place.tool().await.query_one(sql, &[&place.schema]).await.unwrap();
    assert!(row.get::<_, i64>(0) >= 3, "{} transactions", row.get::<_, i64>(0));
    let again = store.prepare(&schemas).await.unwrap();
    assert!(again.iter().all(|made| made.change == PrepareChange::Unchanged));
    // What is in the way of one is found before any is made.
    let taken = "CREATE TABLE d99_records (a int)";
    place.tool().await.batch_execute(taken).await.unwrap();
    let named = |at: usize| CollectionSchema::undeclared(collection(&format!("d{at}")));
    let schemas: Vec<_> = (0..100).map(named).collect();
    let error = store.prepare(&schemas).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert_eq!(store.collections().await.unwrap().len(), 120);
}

#[tokio::test]
async fn a_user_with_one_connection_is_told_of_that_limit() {
    let place = PostgresPlace::new();
    let role = Role::owner_of(&place).await;
    let all = role.with(&json!({ "pool_size": 1, "max_overflow": 0 }));
    let store = place.open_with(&all, options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    store.save(key("a"), machine("a", "")).await.unwrap();
    let limit = format!("ALTER ROLE {} CONNECTION LIMIT 1", role.name);
    tool().await.batch_execute(&limit).await.unwrap();
    let error = place.open_with(&all, options(&[machines()])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.hint_text().unwrap().contains("CONNECTION LIMIT"), "{error:?}");
    assert!(error.to_string().contains(&role.name), "in the server's own words: {error}");
    store.close().await.unwrap();
}

/// Rows that a policy hides from the user would be missing from a copy.
#[tokio::test]
async fn hidden_rows_of_our_own_tables_are_an_error() {
    let place = PostgresPlace::new();
    let role = Role::owner_of(&place).await;
    let store = place.open_with(&role.with(&Json::Null), options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    for id in ["a", "b"] {
        store.save(key(id), machine(id, "")).await.unwrap();
    }
    let hide = "ALTER TABLE machines_records ENABLE ROW LEVEL SECURITY; \
         ALTER TABLE machines_records FORCE ROW LEVEL SECURITY; \
         CREATE POLICY mine ON machines_records USING (machine_id = 'a')";
    place.tool().await.batch_execute(hide).await.unwrap();
    let name = collection("machines");
    for read_only in [false, true] {
        let options = options(&[machines()]).with_read_only(read_only);
        let store = place.open_with(&role.with(&Json::Null), options).await.unwrap();
        let mut errors = vec![
            store.get(&name, &key("b").id).await.map(drop).unwrap_err(),
            store.query(&name, &Query::all()).await.map(drop).unwrap_err(),
            store
                .count(&name, &Filter::default(), Consistency::Strong)
                .await
                .map(drop)
                .unwrap_err(),
        ];
        if !read_only {
            errors.push(store.save(key("b"), machine("b", "")).await.map(drop).unwrap_err());
        }
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.message().contains("row-level security"), "{error}");
            assert!(error.hint_text().unwrap().contains("BYPASSRLS"), "{error:?}");
        }
    }
}
