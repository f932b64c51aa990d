//! What arrives, and what is told of it.

use std::sync::Arc;

use repo_core::MemoryStrategy;
use repo_core::strategy::{OpenOptions, StoreUpdate};
use repo_migrate::{MigrationOptions, Outcome, Phase, Silent, migrate};

use crate::stores::{
    Probe, Store, Told, batches_of, contents, empty, fill, hostile, many, name, options, schema,
    schemas, store, with_backup,
};

#[tokio::test]
async fn every_record_arrives_with_its_version_times_and_text() {
    let folder = tempfile::tempdir().unwrap();
    for options in [options(), with_backup(folder.path()), batches_of(7)] {
        let mut records = many(1_000);
        records.extend(hostile());
        let (source, target) = (store(&records).await, empty());
        let report =
            migrate(&source, &target, &schemas(&["machines"]), &options, &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::Verified);
        assert_eq!(report.totals.applied, 1_016);
        assert_eq!(report.totals.read, 1_016);
        assert_eq!(report.totals.tombstones, 101);
        assert!(report.totals.balances());
        let (before, after) =
            (contents(&source, "machines").await, contents(&target, "machines").await);
        assert_eq!(before, after);
        for (before, after) in before.iter().zip(&after) {
            let text = |record: &repo_core::strategy::Record| {
                record.document().map(|d| d.as_str().to_owned())
            };
            assert_eq!(text(before), text(after));
        }
        assert_eq!(target.store_record().await.unwrap().job, None);
    }
}

#[tokio::test]
async fn a_second_run_writes_nothing_and_finds_every_record_equal() {
    let folder = tempfile::tempdir().unwrap();
    let source = store(&many(500)).await;
    let target = Arc::new(Probe::new(empty()));
    let as_store: Store = target.clone();
    let schemas = schemas(&["machines"]);
    let options = with_backup(folder.path());
    migrate(&source, &as_store, &schemas, &options, &Silent).await.unwrap();
    let written = target.write_count();
    let report = migrate(&source, &as_store, &schemas, &options, &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    assert_eq!((report.totals.equal, report.totals.applied), (500, 0));
    assert!(report.totals.balances());
    assert_eq!(report.backup, None, "what is not written needs no backup");
    assert_eq!(target.write_count(), written);
}

#[tokio::test]
async fn a_run_into_the_rest_of_the_records_adds_only_those() {
    let records = many(300);
    let (source, target) = (store(&records).await, store(&records[..200]).await);
    let report =
        migrate(&source, &target, &schemas(&["machines"]), &options(), &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    assert_eq!((report.totals.equal, report.totals.applied), (200, 100));
}

#[tokio::test]
async fn floors_travel_and_the_higher_one_wins() {
    for (source_floor, target_floor, after) in [(7, 0, 7), (7, 3, 7), (2, 9, 9)] {
        let (source, target) = (store(&many(20)).await, store(&[]).await);
        for (store, floor) in [(&source, source_floor), (&target, target_floor)] {
            let collection = name("machines");
            store.update_store_record(StoreUpdate::RaiseFloor { collection, floor }).await.unwrap();
        }
        let report =
            migrate(&source, &target, &schemas(&["machines"]), &options(), &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::Verified);
        let floors = report.collections[0].floors;
        assert_eq!(
            (floors.source, floors.target_before, floors.target_after),
            (source_floor, target_floor, after)
        );
        let state = target.store_record().await.unwrap().collections[&name("machines")];
        assert_eq!(state.floor, after);
    }
}

#[tokio::test]
async fn a_floor_alone_is_reason_enough_to_write() {
    let records = many(20);
    let (source, target) = (store(&records).await, store(&records).await);
    let collection = name("machines");
    source.update_store_record(StoreUpdate::RaiseFloor { collection, floor: 5 }).await.unwrap();
    let report =
        migrate(&source, &target, &schemas(&["machines"]), &options(), &Silent).await.unwrap();
    assert_eq!((report.outcome, report.totals.equal), (Outcome::Verified, 20));
    assert_eq!(target.store_record().await.unwrap().collections[&name("machines")].floor, 5);
}

#[tokio::test]
async fn a_dry_run_counts_the_same_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().join("backups");
    let records = many(300);
    for held in [0, 120] {
        let source = store(&records).await;
        let target = Arc::new(Probe::new(match held {
            0 => empty(),
            held => store(&records[..held]).await,
        }));
        let as_store: Store = target.clone();
        let options = MigrationOptions { dry_run: true, ..with_backup(&backups) };
        let report =
            migrate(&source, &as_store, &schemas(&["machines"]), &options, &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::DryRun);
        assert_eq!(report.totals.applied, 300 - held as u64);
        assert_eq!(report.totals.equal, held as u64);
        assert!(report.backup.is_none() && report.verification.is_none());
        assert_eq!(target.write_count(), 0);
        assert!(!backups.exists());
    }
}

#[tokio::test]
async fn a_source_open_for_reading_only_is_enough() {
    let inner = MemoryStrategy::new(OpenOptions::default());
    let reader: Store = Arc::new(inner.share(OpenOptions::default().with_read_only(true)));
    let writer: Store = Arc::new(inner);
    fill(&writer, &many(50)).await;
    let target = empty();
    let report =
        migrate(&reader, &target, &schemas(&["machines"]), &options(), &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
}

#[tokio::test]
async fn without_verification_the_report_says_so() {
    let (source, target) = (store(&many(50)).await, empty());
    let options = MigrationOptions { verify: false, ..options() };
    let report =
        migrate(&source, &target, &schemas(&["machines"]), &options, &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::DoneUnverified);
    assert!(report.verification.is_none());
}

#[tokio::test]
async fn only_the_named_collections_are_moved() {
    let (source, target) = (store(&many(30)).await, empty());
    source.prepare(&[schema("requests"), schema("templates")]).await.unwrap();
    let options = MigrationOptions {
        collections: Some(vec![name("requests"), name("machines")]),
        ..options()
    };
    let report = migrate(&source, &target, &schemas(&[]), &options, &Silent).await.unwrap();
    let names: Vec<&str> = report.collections.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["machines", "requests"]);
    assert_eq!(target.collections().await.unwrap(), [name("machines"), name("requests")]);
}

#[tokio::test]
async fn progress_goes_over_every_record_in_every_phase() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target, told) = (store(&many(150)).await, empty(), Told::default());
    let options = with_backup(folder.path());
    migrate(&source, &target, &schemas(&["machines"]), &options, &told).await.unwrap();
    assert_eq!(
        *told.advanced.lock().unwrap(),
        [(Phase::Backup, 150), (Phase::BackupCheck, 150), (Phase::Copy, 150), (Phase::Verify, 300)]
    );
}

#[tokio::test]
async fn references_that_lead_nowhere_are_counted_and_named() {
    use repo_core::CollectionSchema;
    let machines = CollectionSchema::parse(
        r#"{"x-repository":{"collection":"machines","idField":"id",
            "references":{"request_id":"requests","owner":"people"}}}"#,
    )
    .unwrap();
    let source = empty();
    let requests = schema("requests");
    source.prepare(&[machines.clone(), requests.clone()]).await.unwrap();
    let put = |collection: &str, text: &str| {
        let document = repo_core::Document::parse(text).unwrap();
        let id = schema(collection).id_of(&document).unwrap();
        let key = repo_core::Key::new(name(collection), id);
        repo_core::Write::put(key, document, repo_core::Precondition::Any)
    };
    source
        .commit(vec![
            put("requests", r#"{"id":"r-1"}"#),
            put("machines", r#"{"id":"m-1","request_id":"r-1"}"#),
            put("machines", r#"{"id":"m-2","request_id":"r-2","owner":null}"#),
            put("machines", r#"{"id":"m-3","request_id":"r-2","owner":"ann"}"#),
            put("machines", r#"{"id":"m-4","request_id":""}"#),
        ])
        .await
        .unwrap();
    let (told, target) = (Told::default(), empty());
    let schemas = [machines, requests].into_iter().collect();
    let report = migrate(&source, &target, &schemas, &batches_of(1), &told).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    let dangling = &report.collections[0].dangling;
    let counts: Vec<(&str, u64)> =
        dangling.iter().map(|one| (one.field.as_str(), one.count)).collect();
    assert_eq!(counts, [("owner", 1), ("request_id", 3)]);
    assert_eq!(dangling[1].first[0].id, "m-2");
    assert_eq!(dangling[1].first[0].missing, "r-2");
    assert_eq!(told.warnings.lock().unwrap().len(), 2);
    assert_eq!(report.warnings.len(), 2);
}
