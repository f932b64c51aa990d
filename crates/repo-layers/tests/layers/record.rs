//! What queries asked for is counted by shape, and written when the store is closed.

use std::path::Path;
use std::sync::Arc;

use repo_core::strategy::{OpenOptions, StorageStrategyExt as _};
use repo_core::{
    CollectionSchema, Document, ErrorKind, Filter, Key, MemoryStrategy, Query, RecordedQueries,
};
use repo_layers::{Inner, Layer as _, RecordLayer};

async fn store(file: &Path) -> (Inner, CollectionSchema) {
    let store =
        RecordLayer::new(file).around(Arc::new(MemoryStrategy::new(OpenOptions::default())));
    let schema = CollectionSchema::undeclared("hosts".parse().unwrap());
    store.prepare(std::slice::from_ref(&schema)).await.unwrap();
    let key = Key::new(schema.collection.clone(), "h".parse().unwrap());
    let document = Document::parse(r#"{"id":"h","owner":"ada","price":3}"#).unwrap();
    store.save(key, document).await.unwrap();
    (store, schema)
}

fn query(filter: &str) -> Query {
    Query::new(Filter::parse(filter).unwrap())
}

fn recorded(file: &Path) -> Vec<RecordedQueries> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn pages_count_by_what_they_ask_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("queries.ndjson");
    let (store, schema) = store(&file).await;
    let name = &schema.collection;
    for filter in [r#"{"owner":"ada"}"#, r#"{"owner":"bob"}"#, r#"{"price":{"$lt":9}}"#, "{}"] {
        store.query(name, &query(filter)).await.unwrap();
    }
    assert!(!file.exists());
    store.close().await.unwrap();
    store.close().await.unwrap();
    let all = recorded(&file);
    let counts: Vec<_> = all.iter().map(|one| (one.pages, one.scans, one.returned)).collect();
    assert_eq!(counts, [(1, 1, 1), (2, 2, 1)], "{all:?}");
    assert_eq!(all[0].shape.compared[0].to_string(), "price");
    assert_eq!(all[1].shape.equal[0].to_string(), "owner");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("ada") && !text.contains("bob"), "{text}");
}

#[tokio::test]
async fn another_handle_appends() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("queries.ndjson");
    for _ in 0..2 {
        let (store, schema) = store(&file).await;
        store.query(&schema.collection, &query(r#"{"owner":"ada"}"#)).await.unwrap();
        store.close().await.unwrap();
    }
    assert_eq!(recorded(&file).len(), 2);
}

#[tokio::test]
async fn shapes_have_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("queries.ndjson");
    let (store, schema) = store(&file).await;
    for number in 0..1_100 {
        let asked = query(&format!(r#"{{"field{number}":1}}"#));
        store.query(&schema.collection, &asked).await.unwrap();
    }
    // One that is counted already still counts.
    store.query(&schema.collection, &query(r#"{"field0":2}"#)).await.unwrap();
    store.close().await.unwrap();
    let all = recorded(&file);
    assert_eq!((all.len(), all.iter().map(|one| one.pages).sum::<u64>()), (1_000, 1_001));
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_said_and_the_store_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, schema) = store(&dir.path().join("missing").join("queries.ndjson")).await;
    store.query(&schema.collection, &query(r#"{"owner":"ada"}"#)).await.unwrap();
    let error = store.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = store.query(&schema.collection, &query("{}")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}
