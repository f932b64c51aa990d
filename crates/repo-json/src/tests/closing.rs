//! When closing writes the journal back into the files.

use std::fs;

use repo_core::strategy::StorageStrategy as _;
use repo_core::{Document, Precondition, Write};
use serde_json::json;

use super::{Fixture, all, key, save};
use crate::strategy::JsonStrategy;

/// Large enough that a few of them are more than closing rewrites for nothing.
fn large(id: &str) -> Document {
    Document::from_serialize(&json!({ "id": id, "text": "x".repeat(300_000) })).unwrap()
}

async fn fill(store: &JsonStrategy, prefix: &str, count: usize) {
    let ids = (0..count).map(|n| format!("{prefix}-{n:02}"));
    let put = |id: String| Write::put(key("machines", &id), large(&id), Precondition::Any);
    store.commit(ids.map(put).collect()).await.unwrap();
}

fn settings(when: &str) -> serde_json::Value {
    json!({ "checkpoint_on_close": when })
}

/// Whether a document is in the data file.
fn is_in_file(fixture: &Fixture, id: &str) -> bool {
    fixture.json("request_database.json")["machines"].get(id).is_some()
}

#[tokio::test]
async fn small_files_are_up_to_date_when_the_store_is_closed() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    store.close().await.unwrap();
    assert!(is_in_file(&fixture, "a"));
}

#[tokio::test]
async fn one_commit_into_large_files_stays_in_the_journal() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    fill(&store, "m", 30).await;
    store.close().await.unwrap();
    assert!(is_in_file(&fixture, "m-29"), "the journal was longer than the files");
    let before = fs::metadata(fixture.file("request_database.json")).unwrap().len();
    assert!(before > 8 * 1_024 * 1_024);

    let store = fixture.open();
    save(&store, "machines", "one", 1).await;
    store.close().await.unwrap();
    assert!(!is_in_file(&fixture, "one"));
    assert_eq!(all(&fixture.open_read_only()).await["machines/one"].0, 1);

    let store = fixture.open();
    fill(&store, "n", 5).await;
    store.close().await.unwrap();
    assert!(is_in_file(&fixture, "one"), "the journal is longer than an eighth of the files");
    assert_eq!(all(&fixture.open_read_only()).await.len(), 36);
}

#[tokio::test]
async fn the_option_decides_otherwise() {
    for (when, expected) in [("always", true), ("never", false), ("auto", false)] {
        let fixture = Fixture::new(settings(when));
        let store = fixture.prepared().await;
        fill(&store, "m", 30).await;
        store.checkpoint().await.unwrap();
        save(&store, "machines", "one", 1).await;
        store.close().await.unwrap();
        assert_eq!(is_in_file(&fixture, "one"), expected, "{when}");
    }
    let fixture = Fixture::new(settings("never"));
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    store.close().await.unwrap();
    assert!(!is_in_file(&fixture, "a"), "small files too");
    assert_eq!(all(&fixture.open()).await.len(), 1);
}
