//! What is refused, and how.

use repo_core::strategy::{Record, StorageStrategyExt as _, StoreUpdate, Tombstone};
use repo_core::{Document, ErrorKind, Filter, Key, Query, Schemas, Timestamp, Version};

use super::{Database, collection, id, open, reading, things, try_open};

const THING: &str = "CREATE TABLE things (key TEXT PRIMARY KEY); INSERT INTO things VALUES ('a')";

pub(crate) async fn no_write_is_taken(database: &impl Database) {
    database.run(THING).await;
    let store = open(database).await;
    let key = Key::new(collection("things"), id("a"));
    let document = Document::parse(r#"{"key":"a"}"#).unwrap();
    let now = Timestamp::from_micros(0).unwrap();
    let tombstone = Record::Tombstone(Tombstone {
        collection: key.collection.clone(),
        id: key.id.clone(),
        version: Version::FIRST,
        deleted_at: now,
    });
    let floor = StoreUpdate::RaiseFloor { collection: key.collection.clone(), floor: 1 };
    let refused = [
        store.prepare(&[things()]).await.map(drop).unwrap_err(),
        store.save(key.clone(), document).await.map(drop).unwrap_err(),
        store.commit(Vec::new()).await.map(drop).unwrap_err(),
        store.apply(vec![tombstone]).await.map(drop).unwrap_err(),
        store.purge(&key.collection, now).await.map(drop).unwrap_err(),
        store.update_store_record(floor).await.map(drop).unwrap_err(),
        store.checkpoint().await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.context_value("store").is_some(), "{error}");
    }
    assert_eq!(super::entities(&store, "things").await.len(), 1);
}

pub(crate) async fn opening_for_writing_is_refused(database: &impl Database) {
    database.run(THING).await;
    let options = reading(Schemas::from_iter([things()]));
    let error = database.open(options.with_read_only(false)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert_eq!(error.context_value("name"), Some("things"));
    assert!(error.hint_text().unwrap().contains("source of a migration"), "{error:?}");
}

pub(crate) async fn tables_that_do_not_fit_say_why(database: &impl Database) {
    for (sql, why) in [
        ("CREATE TABLE things (id TEXT PRIMARY KEY)", "no column for the id field \"key\""),
        ("CREATE TABLE things (key TEXT, status TEXT)", "may hold an id twice"),
        ("CREATE TABLE things (key TEXT, b TEXT, PRIMARY KEY (key, b))", "may hold an id twice"),
        (
            "CREATE TABLE things (key TEXT, b TEXT); \
             CREATE UNIQUE INDEX \"only\" ON things (key) WHERE b IS NULL",
            "may hold an id twice",
        ),
        (
            "CREATE TABLE things (key TEXT); CREATE UNIQUE INDEX \"only\" ON things (lower(key))",
            "may hold an id twice",
        ),
        (
            "CREATE TABLE source (key TEXT PRIMARY KEY); \
             CREATE VIEW things AS SELECT key FROM source",
            "is a view",
        ),
        (
            "CREATE TABLE things (key TEXT PRIMARY KEY, \"_version\" INTEGER)",
            "no document can hold: \"_version\"",
        ),
    ] {
        database.run(sql).await;
        let error = try_open(database).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign, "{sql}: {error}");
        assert_eq!(error.context_value("name"), Some("things"), "{sql}: {error}");
        let said = error.context_value("as_a_source").unwrap_or_default();
        assert!(said.contains(why) && said.contains("\"things\""), "{sql}: {error}");
        let view = if sql.contains("VIEW") { "VIEW" } else { "TABLE" };
        database.run(&format!("DROP {view} things")).await;
        database.run("DROP TABLE IF EXISTS source").await;
    }
    let error = try_open(database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

pub(crate) async fn a_collection_without_a_table_is_not_found(database: &impl Database) {
    database.run(THING).await;
    let store = open(database).await;
    let other = collection("other");
    for error in [
        store.get_many(&other, &[id("a")]).await.map(drop).unwrap_err(),
        store.query(&other, &Query::all()).await.map(drop).unwrap_err(),
        store.count(&other, &Filter::default(), Default::default()).await.map(drop).unwrap_err(),
        store.scan(&other, Default::default()).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.hint_text().unwrap().contains("x-repository"), "{error:?}");
    }
}

pub(crate) async fn a_closed_store_says_so(database: &impl Database) {
    database.run(THING).await;
    let store = open(database).await;
    let things = collection("things");
    let mut scan = store.scan(&things, Default::default()).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    let next = futures::StreamExt::next(&mut scan).await.unwrap();
    for error in [
        next.map(drop).unwrap_err(),
        store.collections().await.map(drop).unwrap_err(),
        store.get_many(&things, &[id("a")]).await.map(drop).unwrap_err(),
        store.count(&things, &Filter::default(), Default::default()).await.map(drop).unwrap_err(),
        store.store_record().await.map(drop).unwrap_err(),
        store.commit(Vec::new()).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    }
}

/// What is said of our own tables does not fit those of another program.
pub(crate) async fn a_table_that_changes_is_told_as_theirs(database: &impl Database) {
    database.run("CREATE TABLE things (key TEXT PRIMARY KEY, note TEXT)").await;
    let store = open(database).await;
    database.run("ALTER TABLE things DROP COLUMN note").await;
    let error = super::try_scan(&store, "things", Default::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert!(error.message().contains("table of another program"), "{error}");
    let told = format!("{error} {}", error.hint_text().unwrap());
    for ours in ["as this program made them", "another tool changed", "repoctl health"] {
        assert!(!told.contains(ours), "{told}");
    }
    assert!(error.context_value("reason").unwrap().contains("note"), "{error}");
}
