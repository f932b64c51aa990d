//! Every read of the contract.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use repo_core::strategy::{ScanOptions, Segment};
use repo_core::{CollectionSchema, Consistency, Cursor, Filter, Plan, Query, Schemas};

use super::{
    Database, Store, collection, documents, entities, id, open, reading, things, things_in,
    try_scan,
};

const MANY: usize = 2_500;

/// Many things; every third one is `cold`, the others `warm`.
async fn many(database: &impl Database) -> Store {
    database
        .run("CREATE TABLE things (key TEXT PRIMARY KEY, status TEXT, count INTEGER, tags TEXT)")
        .await;
    let rows: Vec<String> = (0..MANY)
        .map(|n| {
            let status = if n % 3 == 0 { "cold" } else { "warm" };
            format!("('k-{n:05}', '{status}', {}, '{{\"n\": {n}}}')", (n * 7) % MANY)
        })
        .collect();
    database.run(&format!("INSERT INTO things VALUES {}", rows.join(", "))).await;
    open(database).await
}

fn batches_of(size: usize) -> ScanOptions {
    ScanOptions::default().with_batch_size(NonZeroUsize::new(size).unwrap())
}

pub(crate) async fn every_row_is_read_once_whatever_the_batch(database: &impl Database) {
    let store = many(database).await;
    for size in [1, 7, 1_000, MANY, 100_000] {
        let records = try_scan(&store, "things", batches_of(size)).await.unwrap();
        assert_eq!(records.len(), MANY, "batches of {size}");
        let ids: BTreeSet<&str> = records.iter().map(|record| record.id().as_str()).collect();
        assert_eq!(ids.len(), MANY, "batches of {size}");
    }
}

pub(crate) async fn segments_are_disjoint_and_complete(database: &impl Database) {
    let store = many(database).await;
    let mut seen = BTreeSet::new();
    for segment in Segment::split(NonZeroUsize::new(4).unwrap()) {
        let options = batches_of(100).with_segment(segment);
        let records = try_scan(&store, "things", options).await.unwrap();
        assert!(records.len() > MANY / 8, "{}", records.len());
        assert!(records.iter().all(|record| seen.insert(record.id().clone())));
    }
    assert_eq!(seen.len(), MANY);
}

/// The ids of all pages of a query.
async fn paged(store: &Store, query: &Query) -> Vec<String> {
    let mut ids = Vec::new();
    let mut next: Option<Cursor> = None;
    loop {
        let query = match next {
            Some(cursor) => query.clone().after(Cursor::parse(&cursor.to_string()).unwrap()),
            None => query.clone(),
        };
        let page = store.query(&collection("things"), &query).await.unwrap();
        assert!(page.entities.len() <= query.page_size());
        assert_eq!(page.plan, Plan::Scan);
        ids.extend(page.entities.iter().map(|entity| entity.id.to_string()));
        next = page.next;
        if next.is_none() {
            return ids;
        }
    }
}

pub(crate) async fn queries_filter_order_and_page(database: &impl Database) {
    let store = many(database).await;
    let cold = Filter::parse(r#"{"status": "cold", "tags.n": {"$lt": 300}}"#).unwrap();
    let expected: Vec<String> = (0..300).step_by(3).map(|n| format!("k-{n:05}")).collect();
    let query = Query::new(cold.clone()).limit(7).unwrap().strong();
    assert_eq!(paged(&store, &query).await, expected);
    let all = Query::all().limit(999).unwrap();
    assert_eq!(paged(&store, &all).await.len(), MANY);

    let ordered = Query::new(cold.clone()).order_by("count:desc").unwrap().limit(7).unwrap();
    let mut by_count: Vec<(usize, String)> =
        (0..300).step_by(3).map(|n| ((n * 7) % MANY, format!("k-{n:05}"))).collect();
    by_count.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let by_count: Vec<String> = by_count.into_iter().map(|(_, id)| id).collect();
    assert_eq!(paged(&store, &ordered).await, by_count);

    let things = collection("things");
    assert_eq!(store.count(&things, &cold, Consistency::Strong).await.unwrap(), 100);
    let all = store.count(&things, &Filter::default(), Consistency::Eventual).await.unwrap();
    assert_eq!(all, MANY as u64);
}

pub(crate) async fn entities_are_found_by_id(database: &impl Database) {
    let store = many(database).await;
    let mut ids: Vec<_> = (0..MANY).rev().map(|n| id(&format!("k-{n:05}"))).collect();
    ids.insert(3, id("K-00001"));
    ids.insert(5, id("'; DROP TABLE things; --"));
    ids.push(id("k-00000"));
    let found = store.get_many(&collection("things"), &ids).await.unwrap();
    assert_eq!(found.len(), ids.len());
    for (at, (id, record)) in ids.iter().zip(&found).enumerate() {
        match record {
            Some(record) => assert_eq!(record.id(), id),
            None => assert!([3, 5].contains(&at), "{id}"),
        }
    }
    assert_eq!(entities(&store, "things").await.len(), MANY);
    assert!(store.get_many(&collection("things"), &[]).await.unwrap().is_empty());
}

pub(crate) async fn an_empty_table_is_an_empty_collection(database: &impl Database) {
    database.run("CREATE TABLE things (key TEXT PRIMARY KEY)").await;
    let store = open(database).await;
    let things = collection("things");
    assert_eq!(store.collections().await.unwrap(), std::slice::from_ref(&things));
    assert!(documents(&store, "things").await.is_empty());
    let count = store.count(&things, &Filter::default(), Consistency::Strong).await.unwrap();
    assert_eq!(count, 0);
    let page = store.query(&things, &Query::all()).await.unwrap();
    assert!(page.entities.is_empty() && page.next.is_none());
}

pub(crate) async fn what_it_is_is_told(database: &impl Database) {
    database
        .run(
            "CREATE TABLE things (key TEXT PRIMARY KEY); CREATE TABLE wares (key TEXT PRIMARY KEY); \
             CREATE TABLE \"alembic version\" (number TEXT)",
        )
        .await;
    let other = CollectionSchema {
        collection: collection("other"),
        schema_version: 3,
        ..things_in("wares")
    };
    let store = database.open(reading(Schemas::from_iter([things(), other]))).await.unwrap();
    let words = store.foreign().unwrap();
    let expected = "tables of another program, read as version 1: other (table \"wares\"), things; \
                    not read, since no collection names them: \"alembic version\"";
    assert_eq!(words, expected);
    let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
    assert!(health.is_ok(), "{health:?}");
    assert!(health.checks.iter().any(|check| check.detail == words));
    let record = store.store_record().await.unwrap();
    assert_eq!(record.layout_version, 0);
    let versions: Vec<u32> = record.collections.values().map(|c| c.schema_version).collect();
    assert_eq!(versions, [3, 1]);
    assert!(record.job.is_none());
    let capabilities = store.capabilities();
    assert!(capabilities.read_only && capabilities.max_scan_segments == 1);
}

pub(crate) async fn names_may_hold_anything(database: &impl Database) {
    let table = "we\"ird '; DROP TABLE x; --";
    let quoted = "\"we\"\"ird '; DROP TABLE x; --\"";
    database
        .run(&format!(
            "CREATE TABLE {quoted} (key TEXT PRIMARY KEY, \"a\"\"b'c; --\" TEXT, \"Grüße\" TEXT); \
             INSERT INTO {quoted} VALUES ('a', 'x', 'y'), ('b', 'z', NULL)"
        ))
        .await;
    let store = database.open(reading(Schemas::from_iter([things_in(table)]))).await.unwrap();
    let expected =
        [r#"{"key":"a","a\"b'c; --":"x","Grüße":"y"}"#, r#"{"key":"b","a\"b'c; --":"z"}"#];
    assert_eq!(documents(&store, "things").await, expected);
    let after_a = Query::all().limit(1).unwrap();
    assert_eq!(paged(&store, &after_a).await, ["a", "b"]);
    assert!(store.get_many(&collection("things"), &[id("b")]).await.unwrap()[0].is_some());
}

pub(crate) async fn case_of_names_does_not_matter(database: &impl Database) {
    database
        .run(
            "CREATE TABLE things (\"KEY\" TEXT PRIMARY KEY, \"Status\" TEXT); \
             INSERT INTO things VALUES ('a', 'x')",
        )
        .await;
    let expected = [r#"{"key":"a","status":"x"}"#];
    assert_eq!(documents(&open(database).await, "things").await, expected);
}
