//! The conformance suite through every layer by itself, and through all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{OpenOptions, StrategyFactory as _};
use repo_core::{CollectionSchema, Result, Schemas};
use repo_layers::{LayerConfig, stack};
use repo_sql::SqliteFactory;
use repo_testkit::{MemoryPlace, Place, Store};
use serde_json::{Value as Json, json};

/// A place whose stores have layers around them.
struct LayeredPlace<P> {
    inner: P,
    layers: Vec<LayerConfig>,
}

#[async_trait]
impl<P: Place> Place for LayeredPlace<P> {
    async fn open(&self, options: OpenOptions) -> Result<Store> {
        let schemas = permissive(&options.schemas);
        stack(self.inner.open(options).await?, &self.layers, &schemas)
    }
}

/// The suite writes values of every type into every field, which a schema
/// with types rightly refuses; so the layer gets schemas that let all pass.
fn permissive(schemas: &Schemas) -> Schemas {
    let open = |schema: &CollectionSchema| CollectionSchema {
        json_schema: Some(Arc::new(json!({ "type": "object" }))),
        ..schema.clone()
    };
    schemas.iter().map(open).collect()
}

/// A database file of its own.
struct SqlitePlace(tempfile::TempDir);

#[async_trait]
impl Place for SqlitePlace {
    async fn open(&self, options: OpenOptions) -> Result<Store> {
        let file = self.0.path().join("store.db");
        SqliteFactory.open(&json!({ "name": file }), options).await
    }
}

fn retry() -> Json {
    json!({ "layer": "retry", "max_attempts": 3, "min_delay_ms": 1, "max_delay_ms": 2 })
}

fn timeout() -> Json {
    json!({ "layer": "timeout", "read_ms": 60_000, "write_ms": 60_000, "job_ms": 60_000 })
}

fn limit() -> Json {
    json!({ "layer": "concurrency_limit", "max_operations": 3, "max_streams": 16 })
}

fn all() -> Json {
    json!([
        { "layer": "tracing" },
        { "layer": "metrics" },
        timeout(),
        retry(),
        timeout(),
        limit(),
        { "layer": "validation" },
    ])
}

fn around<P>(inner: P, layers: Json) -> LayeredPlace<P> {
    LayeredPlace { inner, layers: serde_json::from_value(layers).unwrap() }
}

fn memory(layer: Json) -> LayeredPlace<MemoryPlace> {
    around(MemoryPlace::default(), json!([layer]))
}

repo_testkit::conformance!(tracing_layer, || async { memory(json!({ "layer": "tracing" })) });
repo_testkit::conformance!(metrics_layer, || async { memory(json!({ "layer": "metrics" })) });
repo_testkit::conformance!(retry_layer, || async { memory(retry()) });
repo_testkit::conformance!(timeout_layer, || async { memory(timeout()) });
repo_testkit::conformance!(concurrency_limit_layer, || async { memory(limit()) });
repo_testkit::conformance!(validation_layer, || async { memory(json!({ "layer": "validation" })) });
repo_testkit::conformance!(all_layers_over_memory, || async {
    around(MemoryPlace::default(), all())
});
repo_testkit::conformance!(all_layers_over_sqlite, || async {
    around(SqlitePlace(tempfile::tempdir().unwrap()), all())
});

repo_testkit::differential!(all_layers_change_nothing, || async {
    around(MemoryPlace::default(), all())
});
