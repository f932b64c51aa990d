use std::io;
use std::sync::{Arc, Mutex};

use repo_core::strategy::{ScanOptions, StorageStrategyExt as _};
use repo_core::{CollectionSchema, Document, Query};
use repo_layers::{Layer as _, TracingLayer, ValidationLayer};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::faults::{drain, faulty, hosts, key};

/// What was written.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Everything that a subscriber sees of `work`, at the lowest level.
fn seen(work: impl Future<Output = ()>) -> String {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(subscriber, || runtime.block_on(work));
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

const SCHEMA: &str = r#"{
    "type": "object",
    "x-repository": {"collection": "hosts", "idField": "id"},
    "properties": {"status": {"enum": ["up", "SEALED-up"]}}
}"#;

/// Writes, reads, fails: each with a text that must not be told.
async fn work() {
    let (store, _) = faulty().await;
    let schemas = [CollectionSchema::parse(SCHEMA).unwrap()].into_iter().collect();
    let validated = ValidationLayer::new(&schemas).unwrap().around(store);
    let store = TracingLayer::new().around(validated);
    let host = |status: &str| {
        Document::parse(&format!(r#"{{"id": "SEALED-id", "status": "{status}"}}"#)).unwrap()
    };
    let created = store.create(key("SEALED-id"), host("SEALED-up")).await.unwrap();
    let refused = store.save(key("SEALED-id"), host("SEALED-sideways")).await.unwrap_err();
    assert!(refused.to_string().contains("SEALED-sideways"), "the error quotes it: {refused}");
    store.create(key("SEALED-id"), host("up")).await.unwrap_err();
    let stale = created.version;
    store.update(key("SEALED-id"), host("up"), stale).await.unwrap();
    store.update(key("SEALED-id"), host("up"), stale).await.unwrap_err();
    let filter = repo_core::Filter::parse(r#"{"status": "SEALED-filter"}"#).unwrap();
    store.query(&hosts(), &Query::new(filter)).await.unwrap();
    let records = store.scan(&hosts(), ScanOptions::default()).await.unwrap();
    assert_eq!(drain(records).await.0, 1);
    drop(store.scan(&hosts(), ScanOptions::default()).await.unwrap());
}

#[test]
fn a_span_says_what_was_done_and_what_came_of_it() {
    let seen = seen(work());
    for expected in [
        "storage{store=\"memory:",
        "operation=\"commit\" collection=\"hosts\" items=1 outcome=\"ok\"",
        "operation=\"commit\" collection=\"hosts\" items=1 outcome=\"Invalid\"",
        "operation=\"commit\" collection=\"hosts\" items=1 outcome=\"AlreadyExists\"",
        "operation=\"commit\" collection=\"hosts\" items=1 outcome=\"Conflict\"",
        "operation=\"query\" collection=\"hosts\" outcome=\"ok\"",
        "operation=\"scan\" collection=\"hosts\" records=1 outcome=\"ok\"",
        "operation=\"scan\" collection=\"hosts\" records=0 outcome=\"dropped\"",
    ] {
        assert!(seen.contains(expected), "{expected} is missing in\n{seen}");
    }
}

#[test]
fn no_document_id_or_filter_is_recorded() {
    let seen = seen(work());
    assert!(seen.contains("outcome"));
    assert!(!seen.contains("SEALED"), "{seen}");
}
