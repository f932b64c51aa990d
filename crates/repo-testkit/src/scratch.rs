//! What every factory that has scratch places promises of them.

use repo_core::strategy::{OpenOptions, StorageStrategyExt as _, StrategyFactory};
use repo_core::{CollectionName, CollectionSchema, Document, EntityId, ErrorKind, Key};
use serde_json::Value as Json;

/// Makes two scratch places for a store with these settings, uses one, and removes both: each
/// is a store of its own that was never prepared, and nothing is left of it.
///
/// # Panics
/// When a promise is broken.
pub async fn check_scratch_places(factory: &dyn StrategyFactory, settings: &Json) {
    let (one, other) = (factory.scratch(settings).unwrap(), factory.scratch(settings).unwrap());
    assert_ne!(one.settings(), other.settings());
    assert_ne!(one.settings(), settings);
    let schema = CollectionSchema::builder("items", "id").index(&["kind"]).build().unwrap();
    let name = CollectionName::new("items").unwrap();
    let id = EntityId::new("a").unwrap();
    let key = Key::new(name.clone(), id.clone());

    let store = factory.open(one.settings(), OpenOptions::default()).await.unwrap();
    assert!(store.collections().await.unwrap().is_empty());
    store.prepare(&[schema]).await.unwrap();
    let document = Document::parse(r#"{"id":"a","kind":"x"}"#).unwrap();
    store.create(key, document).await.unwrap();
    assert!(store.get(&name, &id).await.unwrap().is_some());
    store.close().await.unwrap();

    for _ in 0..2 {
        factory.remove_scratch(&one).await.unwrap();
        factory.remove_scratch(&other).await.unwrap();
    }
    for place in [one, other] {
        let options = OpenOptions::default().with_read_only(true);
        let error = factory.open(place.settings(), options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}
