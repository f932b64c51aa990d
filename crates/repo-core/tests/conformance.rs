//! The conformance suite on the memory strategy and on the validation layer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use repo_core::layers::ValidationLayer;
use repo_core::{
    CollectionSchema, Error, ErrorKind, MemoryStrategy, OpenOptions, Result, Schemas,
    StorageStrategy,
};
use repo_testkit::{Place, Store};

/// The first handle keeps the records; every opening shares them.
#[derive(Default)]
struct MemoryPlace(OnceLock<MemoryStrategy>);

#[async_trait]
impl Place for MemoryPlace {
    async fn open(&self, options: OpenOptions) -> Result<Store> {
        if options.read_only && self.0.get().is_none() {
            return Err(Error::new(ErrorKind::NotFound, "open", "nothing was stored here"));
        }
        let records = self.0.get_or_init(|| MemoryStrategy::new(OpenOptions::default()));
        Ok(Arc::new(records.share(options)))
    }
}

/// The memory strategy behind the validation layer.
#[derive(Default)]
struct ValidatedPlace(MemoryPlace);

#[async_trait]
impl Place for ValidatedPlace {
    async fn open(&self, options: OpenOptions) -> Result<Store> {
        let schemas = permissive(&options.schemas);
        let inner = self.0.open(options).await?;
        let layer: Arc<dyn StorageStrategy> = Arc::new(ValidationLayer::new(inner, &schemas)?);
        Ok(layer)
    }
}

/// The suite writes values of every type into every field, which a schema
/// with types rightly refuses; so the layer gets schemas that let all pass.
fn permissive(schemas: &Schemas) -> Schemas {
    let open = |schema: &CollectionSchema| CollectionSchema {
        json_schema: Some(Arc::new(serde_json::json!({ "type": "object" }))),
        ..schema.clone()
    };
    schemas.iter().map(open).collect()
}

repo_testkit::conformance!(memory, || async { MemoryPlace::default() });
repo_testkit::conformance!(validation_layer, || async { ValidatedPlace::default() });
