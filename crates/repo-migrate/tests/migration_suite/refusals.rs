//! What cannot end well is refused before anything is written.

use std::sync::Arc;

use repo_core::strategy::OpenOptions;
use repo_core::{CollectionSchema, Error, ErrorKind, MemoryStrategy};
use repo_migrate::{MigrationOptions, Silent, migrate};

use crate::stores::{
    Probe, Store, empty, live, many, name, options, schema, schemas, store, with_backup,
};

async fn refused(source: &Store, target: Store, options: &MigrationOptions) -> Error {
    let probe = Arc::new(Probe::new(target));
    let target: Store = probe.clone();
    let error =
        migrate(source, &target, &schemas(&["machines"]), options, &Silent).await.unwrap_err();
    assert_eq!(probe.write_count(), 0, "nothing is written");
    error
}

#[tokio::test]
async fn one_store_as_both_sides() {
    let inner = MemoryStrategy::new(OpenOptions::default());
    let other: Store = Arc::new(inner.share(OpenOptions::default()));
    let error = refused(&(Arc::new(inner) as Store), other, &options()).await;
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.message().contains("same store"));
}

#[tokio::test]
async fn a_collection_that_the_source_does_not_hold() {
    let source = store(&many(3)).await;
    source.prepare(&[schema("requests")]).await.unwrap();
    let named = |names: &[&str]| MigrationOptions {
        collections: Some(names.iter().map(|text| name(text)).collect()),
        ..options()
    };
    let error = refused(&source, empty(), &named(&["machines", "request"])).await;
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert_eq!(error.context_value("collection"), Some("request"));
    assert_eq!(error.hint_text(), Some("did you mean `requests`?"));
    assert_eq!(refused(&source, empty(), &named(&[])).await.kind(), ErrorKind::ConfigInvalid);
    assert_eq!(refused(&empty(), empty(), &options()).await.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_target_that_cannot_be_written() {
    let target = MemoryStrategy::new(OpenOptions::default().with_read_only(true));
    let error = refused(&store(&many(3)).await, Arc::new(target), &options()).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.context_value("side"), Some("target"));
}

#[tokio::test]
async fn entities_that_the_target_cannot_hold_are_all_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = many(1_000);
    for n in [7_usize, 500, 999] {
        let text = format!("\"text\":\"{}\"", "x".repeat(600));
        records[n] = live(&format!("m-{n:05}"), 1, &text);
    }
    let source = store(&records).await;
    let dry = MigrationOptions { dry_run: true, ..options() };
    let backups = folder.path().join("backups");
    for options in [options(), dry, with_backup(&backups)] {
        let small = OpenOptions::default().with_max_entity_bytes(500);
        let target: Store = Arc::new(MemoryStrategy::new(small));
        let error = refused(&source, target, &options).await;
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("3 of the source's records cannot be moved"), "{error}");
        let named = error.context_value("entities").unwrap();
        for id in ["machines/m-00007 (", "machines/m-00500 (", "machines/m-00999 ("] {
            assert!(named.contains(id), "{named}");
        }
        assert!(named.contains("limit \"500\""), "{named}");
        assert!(!backups.exists(), "an unfinished backup is taken back");
    }
}

#[tokio::test]
async fn a_field_too_long_for_the_targets_index_is_named() {
    let indexed = CollectionSchema::parse(
        r#"{"x-repository":{"collection":"machines","idField":"id","indexes":[["status"]]}}"#,
    )
    .unwrap();
    let status = format!("\"status\":\"{}\"", "x".repeat(1_001));
    let source = store(&[live("m-1", 1, &status)]).await;
    let schemas = [indexed].into_iter().collect();
    let error = migrate(&source, &empty(), &schemas, &options(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.context_value("entities").unwrap().contains("/status"), "{error}");
}

#[tokio::test]
async fn documents_of_another_schema_version() {
    let of_version = |version: u32| {
        CollectionSchema::parse(&format!(
            r#"{{"x-repository":{{"collection":"machines","idField":"id","schemaVersion":{version}}}}}"#
        ))
        .unwrap()
    };
    let attempt = async |source_version, target_version, declared, target_holds: bool| {
        let (source, target) = (empty(), empty());
        source.prepare(&[of_version(source_version)]).await.unwrap();
        source.apply(many(5)).await.unwrap();
        target.prepare(&[of_version(target_version)]).await.unwrap();
        if target_holds {
            target.apply(many(5)).await.unwrap();
        }
        let schemas = [of_version(declared)].into_iter().collect();
        migrate(&source, &target, &schemas, &options(), &Silent).await
    };
    assert!(attempt(2, 2, 2, true).await.is_ok());
    assert!(attempt(2, 1, 2, false).await.is_ok(), "an empty collection is brought up to date");
    for (source, target, declared, holds) in
        [(1, 1, 2, false), (3, 2, 2, false), (2, 3, 2, false), (2, 1, 2, true)]
    {
        let error = attempt(source, target, declared, holds).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{source} {target} {declared}");
        assert_eq!(error.context_value("declared"), Some(&*declared.to_string()));
    }
}
