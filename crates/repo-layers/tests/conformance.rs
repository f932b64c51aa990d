//! The conformance suite through all layers at once, and through those by themselves that answer
//! or write anything on their own. What the others must not change shows among all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use repo_core::strategy::{OpenOptions, StrategyFactory as _};
use repo_core::{CollectionSchema, Result, Schemas};
use repo_layers::{CacheLayer, Layer as _, LayerConfig, stack};
use repo_sql::SqliteFactory;
use repo_testkit::{MemoryPlace, Place, Store};
use serde_json::{Value as Json, json};

/// A place whose stores have layers around them.
struct LayeredPlace<P> {
    inner: P,
    layers: Vec<LayerConfig>,
    /// A cache within the layers, for all handles: with one of its own, a handle may see
    /// what another one wrote later than the contract says.
    cache: Option<CacheLayer>,
}

#[async_trait]
impl<P: Place> Place for LayeredPlace<P> {
    async fn open(&self, options: OpenOptions) -> Result<Store> {
        let schemas = permissive(&options.schemas);
        let store = self.inner.open(options).await?;
        let store = match &self.cache {
            Some(cache) => cache.clone().around(store),
            None => store,
        };
        stack(store, &self.layers, &schemas)
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

const NOWHERE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

fn all() -> Json {
    json!([
        { "layer": "tracing" },
        { "layer": "metrics" },
        { "layer": "record_queries", "file": NOWHERE },
        timeout(),
        retry(),
        timeout(),
        limit(),
        { "layer": "validation" },
        { "layer": "references" },
    ])
}

/// So long that no test waits for its end: what is forgotten was forgotten for a reason.
const TTL: Duration = Duration::from_secs(3_600);

fn cache() -> CacheLayer {
    CacheLayer::new(CacheLayer::MAX_BYTES, TTL).unwrap()
}

/// In which hardly anything finds room, and which follows the change feed.
fn small_cache() -> CacheLayer {
    let cache = CacheLayer::new(NonZeroU64::new(3_000).unwrap(), TTL).unwrap();
    cache.keep_written().follow(Duration::from_millis(1)).unwrap()
}

fn around<P>(inner: P, layers: Json) -> LayeredPlace<P> {
    LayeredPlace { inner, layers: serde_json::from_value(layers).unwrap(), cache: None }
}

fn cached<P>(inner: P, layers: Json, cache: CacheLayer) -> LayeredPlace<P> {
    LayeredPlace { cache: Some(cache), ..around(inner, layers) }
}

repo_testkit::conformance!(references_layer, || async {
    around(MemoryPlace::default(), json!([{ "layer": "references" }]))
});
repo_testkit::conformance!(cache_layer, || async {
    cached(MemoryPlace::default(), json!([]), cache())
});
repo_testkit::conformance!(cache_layer_over_sqlite, || async {
    cached(SqlitePlace(tempfile::tempdir().unwrap()), json!([]), cache().keep_written())
});
repo_testkit::conformance!(small_cache_layer, || async {
    cached(MemoryPlace::default(), json!([]), small_cache())
});
repo_testkit::conformance!(all_layers_over_memory, || async {
    cached(MemoryPlace::default(), all(), cache())
});
repo_testkit::conformance!(all_layers_over_sqlite, || async {
    cached(SqlitePlace(tempfile::tempdir().unwrap()), all(), cache())
});

repo_testkit::differential!(all_layers_change_nothing, || async {
    cached(MemoryPlace::default(), all(), cache())
});
repo_testkit::differential!(a_cache_changes_nothing, || async {
    cached(MemoryPlace::default(), json!([]), cache().keep_written())
});
repo_testkit::differential!(a_small_cache_changes_nothing, || async {
    cached(MemoryPlace::default(), json!([]), small_cache())
});
