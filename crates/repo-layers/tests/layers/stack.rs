use std::sync::Arc;
use std::time::Duration;

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{CollectionSchema, Document, ErrorKind, Schemas};
use repo_layers::{LayerConfig, OperationKind, check_layers, stack};
use serde_json::{Value as Json, json};

use crate::faults::{Fault, faulty, get, key};

fn read(layers: Json) -> Result<Vec<LayerConfig>, serde_json::Error> {
    serde_json::from_value(layers)
}

#[test]
fn layers_are_read_and_written_in_the_same_form() {
    let layers = json!([
        { "layer": "tracing" },
        { "layer": "metrics" },
        { "layer": "cache", "ttl_ms": 500, "max_bytes": 9, "keep_written": true, "follow_ms": 20 },
        { "layer": "retry", "max_attempts": 5, "min_delay_ms": 20, "max_delay_ms": 2_000 },
        { "layer": "timeout", "read_ms": 5_000, "write_ms": 10_000 },
        { "layer": "concurrency_limit", "max_operations": 64 },
        { "layer": "validation" },
        { "layer": "references" },
        { "layer": "record_queries", "file": "queries.ndjson" },
    ]);
    let configured = read(layers.clone()).unwrap();
    check_layers(&configured).unwrap();
    assert_eq!(serde_json::to_value(&configured).unwrap(), layers);
    let defaults = read(json!([{ "layer": "retry" }, { "layer": "cache", "ttl_ms": 1 }])).unwrap();
    let expected = json!([
        { "layer": "retry", "max_attempts": 4, "min_delay_ms": 20, "max_delay_ms": 2_000 },
        { "layer": "cache", "ttl_ms": 1, "max_bytes": 67_108_864, "keep_written": false },
    ]);
    assert_eq!(serde_json::to_value(&defaults).unwrap(), expected);
}

#[test]
fn an_unknown_layer_or_setting_is_refused() {
    for (layer, words) in [
        (json!({ "layer": "caching" }), "unknown variant `caching`"),
        (json!({ "layer": "cache" }), "missing field `ttl_ms`"),
        (json!({ "layer": "cache", "ttl_ms": 0 }), "nonzero"),
        (json!({ "layer": "cache", "ttl_ms": 1, "follow": 1 }), "unknown field `follow`"),
        (json!({ "layer": "tracing", "level": 1 }), "unknown field `level`"),
        (json!({ "layer": "metrics", "x": 1 }), "unknown field `x`"),
        (json!({ "layer": "validation", "x": 1 }), "unknown field `x`"),
        (json!({ "layer": "references", "x": 1 }), "unknown field `x`"),
        (json!({ "layer": "retry", "max_attempt": 5 }), "unknown field `max_attempt`"),
        (json!({ "layer": "timeout", "read": 5 }), "unknown field `read`"),
        (json!({ "layer": "timeout", "read_ms": 0 }), "nonzero"),
        (json!({ "layer": "concurrency_limit" }), "missing field `max_operations`"),
        (json!({ "layer": "concurrency_limit", "max_operations": 1, "x": 1 }), "unknown field `x`"),
        (json!({}), "missing field `layer`"),
    ] {
        let error = read(json!([layer])).unwrap_err().to_string();
        assert!(error.contains(words), "{layer}: {error}");
    }
}

#[test]
fn a_stack_that_makes_no_sense_is_refused_in_words() {
    let timeout = || json!({ "layer": "timeout", "read_ms": 5 });
    let retry = || json!({ "layer": "retry" });
    let cache = || json!({ "layer": "cache", "ttl_ms": 1 });
    for (layers, words, at) in [
        (json!([retry(), { "layer": "metrics" }, retry()]), "stands twice", "2"),
        (json!([{ "layer": "validation" }, { "layer": "validation" }]), "stands twice", "1"),
        (json!([{ "layer": "references" }, { "layer": "references" }]), "stands twice", "1"),
        (json!([cache(), retry(), cache()]), "stands twice", "2"),
        (json!([timeout(), timeout(), retry()]), "around the same attempts", "1"),
        (json!([timeout(), retry(), timeout(), timeout()]), "around the same attempts", "3"),
        (json!([{ "layer": "tracing" }, { "layer": "timeout" }]), "without any limit", "1"),
        (json!([{ "layer": "retry", "max_attempts": 1 }]), "2 or more", "0"),
        (json!([{ "layer": "retry", "min_delay_ms": 9, "max_delay_ms": 8 }]), "longer", "0"),
    ] {
        let error = check_layers(&read(layers.clone()).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.message().contains(words), "{layers}: {error}");
        assert_eq!(error.context_value("place"), Some(at), "{layers}: {error}");
    }
    check_layers(&read(json!([timeout(), retry(), timeout()])).unwrap()).unwrap();
}

/// The first layer of the list is the outermost: a timeout before a retry ends
/// all attempts, one behind it each.
#[tokio::test]
async fn the_first_layer_is_the_outermost() {
    let retry = json!({ "layer": "retry", "max_attempts": 3, "min_delay_ms": 1 });
    let timeout = json!({ "layer": "timeout", "read_ms": 20 });
    for (layers, calls) in [(json!([timeout, retry]), 1), (json!([retry, timeout]), 3)] {
        let (store, faults) = faulty().await;
        faults.plan(OperationKind::GetMany, &[Fault::Hangs; 3]);
        let store = stack(store, &read(layers).unwrap(), &Schemas::default()).unwrap();
        get(&store, "h").await.unwrap_err();
        assert_eq!(faults.calls(OperationKind::GetMany), calls);
    }
}

#[tokio::test]
async fn every_layer_can_be_stacked() {
    let (store, faults) = faulty().await;
    let schema = r#"{
        "x-repository": {"collection": "hosts", "idField": "id"}, "required": ["status"]
    }"#;
    let schemas: Schemas = [CollectionSchema::parse(schema).unwrap()].into_iter().collect();
    let layers = json!([
        { "layer": "tracing" },
        { "layer": "metrics" },
        { "layer": "cache", "ttl_ms": 60_000, "keep_written": true, "follow_ms": 60_000 },
        { "layer": "retry", "min_delay_ms": 1, "max_delay_ms": 1 },
        { "layer": "timeout", "read_ms": 5_000, "write_ms": 10_000 },
        { "layer": "concurrency_limit", "max_operations": 1 },
        { "layer": "validation" },
        { "layer": "references" },
    ]);
    let inner = Arc::clone(&store);
    let store = stack(store, &read(layers).unwrap(), &schemas).unwrap();
    assert_eq!(store.location(), inner.location());
    assert_eq!(store.capabilities().max_read_age_ms, Some(60_000));
    let bad = Document::parse(r#"{"id":"h"}"#).unwrap();
    assert_eq!(store.save(key("h"), bad).await.unwrap_err().kind(), ErrorKind::Invalid);
    faults.plan(OperationKind::Commit, &[Fault::Refused(ErrorKind::Unavailable)]);
    let good = Document::parse(r#"{"id":"h","status":"up"}"#).unwrap();
    store.save(key("h"), good).await.unwrap();
    assert_eq!(faults.calls(OperationKind::Commit), 2);
    let read = store.get(&key("h").collection, &key("h").id).await.unwrap();
    assert_eq!(read.map(|entity| entity.version.get()), Some(1));
    assert_eq!(faults.calls(OperationKind::GetMany), 0, "what was written is kept");
    faults.plan(OperationKind::Commit, &[Fault::Slow(Duration::from_millis(1))]);
    store.delete(key("h")).await.unwrap();
}
