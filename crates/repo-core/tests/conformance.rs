//! The conformance suite on the memory strategy and on the validation layer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::layers::ValidationLayer;
use repo_core::strategy::{OpenOptions, StorageStrategy, StorageStrategyExt as _};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, ErrorKind, Key, Result, Schemas,
};
use repo_testkit::{MemoryPlace, Place, Store};

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

repo_testkit::differential!(memory_differs_not_from_itself, || async { MemoryPlace::default() });
repo_testkit::differential!(the_validation_layer_changes_nothing, || async {
    ValidatedPlace::default()
});

const HOSTS: &str = r#"{
    "type": "object",
    "x-repository": {"collection": "hosts", "idField": "id"},
    "required": ["status"],
    "properties": {"status": {"enum": ["up", "down"]}, "cores": {"type": "integer"}}
}"#;

/// What the schema refuses is refused before the store sees it; `apply` takes
/// what another store accepted.
#[tokio::test]
async fn validation_refuses_what_the_schema_refuses() {
    let schemas: Schemas = [CollectionSchema::parse(HOSTS).unwrap()].into_iter().collect();
    let inner = MemoryPlace::default().open(OpenOptions::default()).await.unwrap();
    let store: Store = Arc::new(ValidationLayer::new(inner, &schemas).unwrap());
    store.prepare(&schemas.iter().cloned().collect::<Vec<_>>()).await.unwrap();
    let hosts = CollectionName::new("hosts").unwrap();
    let key = Key::new(hosts.clone(), EntityId::new("h").unwrap());
    for (text, pointer) in [
        (r#"{"id":"h"}"#, ""),
        (r#"{"id":"h","status":"sideways"}"#, "/status"),
        (r#"{"id":"h","status":"up","cores":1.5}"#, "/cores"),
    ] {
        let error = store.save(key.clone(), Document::parse(text).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.context_value("pointer"), Some(pointer), "{error}");
        assert_eq!(error.context_value("key"), Some("hosts/h"));
    }
    assert_eq!(store.get(&hosts, &key.id).await.unwrap(), None);
    let good = Document::parse(r#"{"id":"h","status":"up","cores":2}"#).unwrap();
    assert_eq!(store.save(key, good).await.unwrap().version.get(), 1);
}
