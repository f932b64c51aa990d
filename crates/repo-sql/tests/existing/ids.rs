//! Which rows have an id, and what is said of the others.

use repo_core::strategy::ScanOptions;
use repo_core::{Filter, Query};

use super::{Database, collection, documents, entities, id, open, try_scan, unreadable};

pub(crate) async fn a_row_without_an_id_is_named(database: &impl Database) {
    database
        .run(
            "CREATE TABLE things (key TEXT UNIQUE, status TEXT); \
             INSERT INTO things VALUES ('a', 'x'), (NULL, 'y'), (NULL, 'z')",
        )
        .await;
    let error = unreadable(database).await;
    let place = if database.is_sqlite() { "rowid 2" } else { "ctid (0,2)" };
    assert_eq!(error.context_value("row"), Some(place), "{error}");
    assert_eq!(error.context_value("column"), Some("key"), "{error}");
    let store = open(database).await;
    let things = collection("things");
    // Also where the order of ids does not lead to it.
    assert!(store.query(&things, &Query::all().limit(1).unwrap()).await.is_err());
    let filter = Filter::parse(r#"{"status": "x"}"#).unwrap();
    assert!(store.count(&things, &filter, repo_core::Consistency::Strong).await.is_err());
    database.run("DELETE FROM things WHERE key IS NULL").await;
    assert_eq!(documents(&store, "things").await, [r#"{"key":"a","status":"x"}"#]);
}

pub(crate) async fn what_is_no_id_is_named_by_its_row(database: &impl Database) {
    database.run("CREATE TABLE things (key TEXT PRIMARY KEY)").await;
    let (long, control) = ("x".repeat(300), "a\u{7}b");
    for (value, shown, reason) in [
        (long.as_str(), "xxxxx\"…", "at most 255 characters"),
        (control, "\"a\\u{7}b\"", "no control characters"),
        ("", "\"\"", "not empty"),
    ] {
        database.run(&format!("DELETE FROM things; INSERT INTO things VALUES ('{value}')")).await;
        let error = unreadable(database).await;
        let place = if database.is_sqlite() { "rowid 1" } else { "ctid (0," };
        assert!(error.context_value("row").unwrap().starts_with(place), "{error}");
        assert!(error.context_value("id").unwrap().ends_with(shown), "{error}");
        assert!(error.context_value("reason").unwrap().contains(reason), "{error}");
        assert!(error.to_string().len() < 400, "{error}");
    }
}

pub(crate) async fn ids_of_255_characters_are_read(database: &impl Database) {
    let long = "ü".repeat(255);
    database
        .run(&format!(
            "CREATE TABLE things (key VARCHAR(255) PRIMARY KEY); INSERT INTO things VALUES \
             ('{long}'), ('a b'), ('100%'), ('日本'), ('A'), ('a'), ('Z'), ('_')"
        ))
        .await;
    let store = open(database).await;
    let one_by_one = ScanOptions::default().with_batch_size(std::num::NonZeroUsize::MIN);
    let records = try_scan(&store, "things", one_by_one).await.unwrap();
    assert_eq!(records.len(), 8);
    for record in &records {
        let found = store.get_many(&collection("things"), &[record.id().clone()]).await.unwrap();
        assert_eq!(found, [Some(record.clone())]);
    }
    assert!(records.iter().any(|record| record.id().as_str() == long));
}

pub(crate) async fn whole_numbers_are_ids(database: &impl Database) {
    database.run("CREATE TABLE things (key INTEGER PRIMARY KEY, status TEXT)").await;
    let numbers: Vec<i64> = (-50..1_450).collect();
    let rows: Vec<String> = numbers.iter().map(|n| format!("({n}, 's-{n}')")).collect();
    database.run(&format!("INSERT INTO things VALUES {}", rows.join(", "))).await;
    let store = open(database).await;
    let found = entities(&store, "things").await;
    let ids: Vec<i64> = found.iter().map(|entity| entity.id.as_str().parse().unwrap()).collect();
    assert!(ids == numbers, "{} ids, first {:?}", ids.len(), &ids[..9]);
    assert_eq!(found[0].document.as_str(), r#"{"key":"-50","status":"s--50"}"#);
    let asked = [id("7"), id("007"), id("seven"), id("99999999999999999999"), id("-50"), id("1e1")];
    let found = store.get_many(&collection("things"), &asked).await.unwrap();
    let there: Vec<bool> = found.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, false, false, false, true, false]);
}
