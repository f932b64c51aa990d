//! What a live migration refuses before it claims a store, and what its stores refuse then.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use repo_core::strategy::{
    LiveId, OpenOptions, StorageStrategyExt as _, StrategyFactory as _, SystemCollection,
    SystemWrite,
};
use repo_core::{Clock as _, CollectionSchema, Error, ErrorKind, Result, Schemas, SystemClock};
use repo_migrate::live::{self, LiveOptions, LivePlace, LiveStores};
use repo_migrate::{Silent, erase};
use repo_sql::SqliteFactory;
use serde_json::json;

use super::support::{Move, Place, Store, document, items, key, schemas};

/// A database, and the schemas that it is opened with.
#[derive(Debug)]
struct Declared {
    folder: tempfile::TempDir,
    schemas: Vec<CollectionSchema>,
}

impl Declared {
    fn new(schemas: Vec<CollectionSchema>) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), schemas }
    }
}

#[async_trait]
impl LivePlace for Declared {
    async fn open(&self, works_for: Option<LiveId>) -> Result<Store> {
        let schemas: Schemas = self.schemas.iter().cloned().collect();
        let options =
            OpenOptions::default().with_schemas(Arc::new(schemas)).with_works_for(works_for);
        SqliteFactory.open(&json!({ "name": self.folder.path().join("store.db") }), options).await
    }
}

fn with_id_field(id_field: &str, schema_version: u32) -> Vec<CollectionSchema> {
    let schema = CollectionSchema::builder("items", id_field).build().unwrap();
    vec![CollectionSchema { schema_version, ..schema }]
}

async fn refused(
    source: &dyn LivePlace,
    target: &dyn LivePlace,
    schemas: &[CollectionSchema],
) -> Error {
    let (stores, schemas) = (LiveStores { source, target }, schemas.iter().cloned().collect());
    let options = LiveOptions::default();
    let started = live::start(stores, &schemas, &options, &Silent);
    let error = tokio::time::timeout(Duration::from_secs(20), started).await;
    let error = error.expect("it has begun").unwrap_err();
    for place in [source, target] {
        let store = place.open(None).await.unwrap();
        assert!(store.store_record().await.unwrap().role.is_unused(), "{error}");
    }
    error
}

/// The collection is empty, so nothing else would say so before programs write to the target.
#[tokio::test]
async fn another_id_field_is_refused_at_once() {
    let source = Declared::new(with_id_field("serial", 1));
    source.open(None).await.unwrap().prepare(&source.schemas).await.unwrap();
    let target = Declared::new(Vec::new());
    let error = refused(&source, &target, &[]).await;
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
    let named = ["side", "collection", "stored", "declared"].map(|of| error.context_value(of));
    assert_eq!(named, [Some("source"), Some("items"), Some("serial"), Some("id")]);

    // The target was made before, without the schema of the source.
    target.open(None).await.unwrap().prepare(&schemas()).await.unwrap();
    let error = refused(&source, &target, &source.schemas).await;
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
    let named = ["side", "collection", "stored", "declared"].map(|of| error.context_value(of));
    assert_eq!(named, [Some("target"), Some("items"), Some("id"), Some("serial")]);
}

#[tokio::test]
async fn a_target_of_a_later_schema_version_is_refused_at_once() {
    let [source, target] = [1, 3].map(|version| Declared::new(with_id_field("id", version)));
    for place in [&source, &target] {
        place.open(None).await.unwrap().prepare(&place.schemas).await.unwrap();
    }
    let error = refused(&source, &target, &source.schemas).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let named = ["collection", "source_version", "target_version"];
    let named = named.map(|of| error.context_value(of));
    assert_eq!(named, [Some("items"), Some("1"), Some("3")]);
}

#[tokio::test]
async fn a_source_that_is_pruned_does_not_move() {
    let moving = Move::new("sqlite", "memory").await;
    let source = moving.source.store().await;
    let until = SystemClock.now().saturating_add(Duration::from_secs(60));
    let leased = |until| Some(format!("\"{until}\""));
    let write = SystemWrite::new(SystemCollection::Prunes, items().as_str(), None, leased(until));
    source.write_system_items(vec![write]).await.unwrap();
    let error = refused(&moving.source, &moving.target, &[]).await;
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    assert_eq!(error.context_value("collection"), Some("items"));
}

/// Nothing is erased in part: the record stays as it was, in both stores.
#[tokio::test]
async fn nothing_is_erased_from_a_store_that_moves() {
    let moving = Move::new("sqlite", "json").await;
    let (mover, stop) = moving.begin();
    moving.until(live::LivePhase::Ready).await;
    drop(stop);
    mover.await.unwrap().unwrap();
    for place in [&moving.source, &moving.target] {
        let store: Store = Place::store(place).await;
        let error = erase(&store, &key("old-001"), "asked for", &[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        let hint = error.hint_text().unwrap_or_default();
        assert!(hint.contains("finish or abort the live migration"), "{error}");
        let kept = store.get(&items(), &key("old-001").id).await.unwrap().unwrap();
        assert!(kept.document.equals(&document("old-001", 0)));
    }
    live::abort(moving.stores()).await.unwrap();
}
