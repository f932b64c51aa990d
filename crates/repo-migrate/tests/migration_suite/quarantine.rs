//! Entities that the target cannot hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_core::strategy::{OpenOptions, Record};
use repo_core::{ErrorKind, MemoryStrategy, Result};
use repo_migrate::{
    MigrationOptions, MigrationReport, OnConflict, Outcome, Silent, migrate, status,
};
use serde_json::Value as Json;

use crate::stores::{
    Probe, Store, contents, cut_off, fill, live, many, options, schema, schemas, store, with_backup,
};

const LIMIT: usize = 1_000;

/// A target that holds no entity above the limit.
fn small() -> Store {
    let options = OpenOptions::default().with_max_entity_bytes(LIMIT);
    Arc::new(MemoryStrategy::new(options))
}

fn large(id: &str) -> Record {
    live(id, 3, &format!("\"text\":\"{}\"", "x".repeat(2 * LIMIT)))
}

/// One in the middle that is too large.
fn records(count: u64) -> Vec<Record> {
    let mut records = many(count);
    records.insert(usize::try_from(count / 2).unwrap(), large("la\"rge"));
    records
}

async fn run(
    source: &Store,
    target: &Store,
    options: &MigrationOptions,
) -> Result<MigrationReport> {
    migrate(source, target, &schemas(&["machines"]), options, &Silent).await
}

fn into_file(file: &Path, options: MigrationOptions) -> MigrationOptions {
    MigrationOptions { quarantine: Some(file.to_owned()), ..options }
}

fn entries(file: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn expect_one(report: &MigrationReport, read: u64, file: &Path) {
    assert_eq!(report.outcome, Outcome::Partly);
    let totals = report.totals;
    assert_eq!((totals.read, totals.quarantined), (read, 1), "{totals:?}");
    assert!(totals.balances());
    let named = &report.collections[0].quarantined_entities;
    assert!(
        named.first[0].starts_with("la\"rge (") && named.first[0].contains("limit"),
        "{named:?}"
    );
    assert!(report.verification.as_ref().unwrap().equal, "{:?}", report.verification);
    assert_eq!(report.quarantine.as_deref(), Some(file));
    let entries = entries(file);
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (&entries[0]["collection"], &entries[0]["id"]),
        (&"machines".into(), &"la\"rge".into())
    );
    assert_eq!(entries[0]["record"]["_version"], 3);
    assert!(entries[0]["rule"].as_str().unwrap().contains("limit"), "{}", entries[0]["rule"]);
}

#[tokio::test]
async fn one_among_ten_thousand_is_named_or_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aside.jsonl");
    let source = store(&records(9_999)).await;
    for options in [options(), with_backup(&folder.path().join("backups"))] {
        let target = Arc::new(Probe::new(small()));
        let into: Store = target.clone();
        let error = run(&source, &into, &options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.context_value("entities").unwrap().contains("machines/la\"rge ("), "{error}");
        assert_eq!(target.write_count(), 0);

        let aside = into_file(&file, options);
        let dry = MigrationOptions { dry_run: true, ..aside.clone() };
        let report = run(&source, &into, &dry).await.unwrap();
        assert_eq!((report.outcome, report.totals.quarantined), (Outcome::DryRunPartly, 1));
        assert!(!file.exists() && target.write_count() == 0);

        let report = run(&source, &into, &aside).await.unwrap();
        expect_one(&report, 10_000, &file);
        assert_eq!(contents(&into, "machines").await.len(), 9_999);
        // The same again: nothing to write, and still one that is not there.
        let report = run(&source, &into, &aside).await.unwrap();
        expect_one(&report, 10_000, &file);
        std::fs::remove_file(&file).unwrap();
    }
}

#[tokio::test]
async fn what_the_target_holds_under_its_id_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aside.jsonl");
    for on_conflict in [OnConflict::Fail, OnConflict::Newer, OnConflict::Overwrite] {
        let (source, target) = (store(&records(200)).await, small());
        let held = live("la\"rge", 1, "\"small\":1");
        fill(&target, &[held.clone(), many(3).remove(0)]).await;
        let options = MigrationOptions { on_conflict, ..with_backup(&folder.path().join("b")) };
        let report = run(&source, &target, &into_file(&file, options)).await.unwrap();
        expect_one(&report, 201, &file);
        assert!(contents(&target, "machines").await.contains(&held), "{on_conflict:?}");
    }
}

#[tokio::test]
async fn a_run_that_was_cut_off_goes_on_and_keeps_it_aside() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aside.jsonl");
    for options in [options(), with_backup(&folder.path().join("backups"))] {
        let (source, target) = (store(&records(999)).await, small());
        let aside = into_file(&file, options);
        for fails in [3, 5] {
            let mut probe = Probe::new(target.clone());
            probe.on_apply = Box::new(
                move |number, records| {
                    if number == fails { Err(cut_off()) } else { Ok(records) }
                },
            );
            let cut: Store = Arc::new(probe);
            run(&source, &cut, &aside).await.unwrap_err();
        }
        assert!(status(&target).await.unwrap().is_some());
        let report = run(&source, &target, &aside).await.unwrap();
        expect_one(&report, 1_000, &file);
    }
}

#[tokio::test]
async fn an_entity_without_its_id_is_put_aside_and_the_rest_archived() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aside.jsonl");
    // The source calls its id otherwise than is declared for the target.
    let source: Store = Arc::new(MemoryStrategy::new(OpenOptions::default()));
    source.prepare(&[schema("machines")]).await.unwrap();
    source.apply(many(50)).await.unwrap();
    let declared = repo_core::CollectionSchema::parse(
        r#"{"x-repository":{"collection":"machines","idField":"n"}}"#,
    )
    .unwrap();
    let target: Store = Arc::new(MemoryStrategy::new(OpenOptions::default()));
    let declared = [declared].into_iter().collect();
    let options = into_file(&file, with_backup(&folder.path().join("backups")));
    let report = migrate(&source, &target, &declared, &options, &Silent).await.unwrap();
    assert_eq!((report.outcome, report.totals.read), (Outcome::Partly, 50));
    assert_eq!((report.totals.applied, report.totals.quarantined), (5, 45), "tombstones remain");
    assert_eq!(entries(&file).len(), 45);
    assert!(report.verification.unwrap().equal);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (store(&records(20)).await, Arc::new(Probe::new(small())));
    let into: Store = target.clone();
    let mine = folder.path().join("mine.txt");
    std::fs::write(&mine, "{\"mine\":1}\n").unwrap();
    let nowhere: PathBuf = folder.path().join("not/there");
    for (place, kind) in [
        (mine.clone(), ErrorKind::AlreadyExists),
        (folder.path().to_owned(), ErrorKind::AlreadyExists),
        (nowhere, ErrorKind::NotFound),
    ] {
        let error = run(&source, &into, &into_file(&place, options())).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(target.write_count(), 0);
    }
    assert_eq!(std::fs::read_to_string(mine).unwrap(), "{\"mine\":1}\n");
}

#[tokio::test]
async fn without_any_there_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aside.jsonl");
    let (source, target) = (store(&many(50)).await, small());
    let report = run(&source, &target, &into_file(&file, options())).await.unwrap();
    assert_eq!((report.outcome, report.quarantine), (Outcome::Verified, None));
    assert!(!file.exists());
}
