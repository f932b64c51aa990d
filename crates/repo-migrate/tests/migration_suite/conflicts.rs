//! A target that already holds something else.

use std::sync::Arc;

use repo_core::strategy::Record;
use repo_core::{ErrorKind, Result};
use repo_migrate::{
    Archive, MigrationOptions, MigrationReport, OnConflict, Outcome, Phase, Silent, VerifyOptions,
    migrate, verify,
};

use crate::stores::{
    Probe, Store, Told, contents, gone, live, many, on_conflict, schemas, store, with_backup,
};

/// One record of every case: (in the source, in the target).
fn source() -> Vec<Record> {
    vec![
        live("equal", 2, "\"a\":1"),
        live("added", 4, ""),
        live("newer", 5, "\"a\":1"),
        live("older", 2, "\"a\":1"),
        live("older-same", 2, "\"a\":1.0"),
        live("diverged", 3, "\"a\":1"),
        gone("dead", 2),
        live("alive", 3, "\"a\":1"),
    ]
}

fn target() -> Vec<Record> {
    vec![
        live("equal", 2, "\"a\":1.0"),
        live("newer", 4, "\"a\":2"),
        live("older", 7, "\"a\":2"),
        live("older-same", 7, "\"a\":1"),
        live("diverged", 3, "\"a\":2"),
        live("dead", 6, "\"a\":2"),
        gone("alive", 3),
        live("only", 1, ""),
        gone("only-gone", 1),
    ]
}

async fn run(options: MigrationOptions) -> (Result<MigrationReport>, Store, Store) {
    let (source, target) = (store(&source()).await, store(&target()).await);
    let report = migrate(&source, &target, &schemas(&["machines"]), &options, &Silent).await;
    (report, source, target)
}

fn find(records: &[Record], id: &str) -> Record {
    records.iter().find(|record| record.id().as_str() == id).unwrap().clone()
}

#[tokio::test]
async fn fail_refuses_names_them_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (report, _, after) = run(with_backup(&folder.path().join("b"))).await;
    let error = report.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.message().contains(": 8 differ"), "{error}");
    let named = error.context_value("records").unwrap();
    for id in [
        "machines/newer (version 5 in the source, 4 in the target)",
        "machines/older (version 2 in the source, 7 in the target)",
        "machines/older-same (",
        "machines/diverged (version 3 on both sides, with other content)",
        "machines/dead (",
        "machines/alive (",
        "machines/only (only in the target)",
    ] {
        assert!(named.contains(id), "{id} in {named}");
    }
    assert!(!named.contains("machines/equal") && !named.contains("machines/added"));
    assert_eq!(
        contents(&after, "machines").await,
        contents(&store(&target()).await, "machines").await
    );
    assert!(!folder.path().join("b").exists());
}

#[tokio::test]
async fn newer_keeps_the_higher_version_and_says_what_it_left() {
    let (report, _, after) = run(on_conflict(OnConflict::Newer)).await;
    let report = report.unwrap();
    assert_eq!(report.outcome, Outcome::Partly);
    let counts = report.totals;
    assert_eq!((counts.read, counts.applied, counts.equal), (8, 2, 1));
    assert_eq!((counts.older, counts.diverged), (3, 2));
    assert!(counts.balances());
    let collection = &report.collections[0];
    assert_eq!((collection.replaced, collection.raised), (1, 0));
    assert_eq!(collection.only_in_target.first, ["only", "only-gone"]);
    assert_eq!(
        collection.left_differing.first,
        ["alive", "dead", "diverged", "older", "older-same"]
    );
    assert!(report.verification.unwrap().equal, "differences on purpose are no surprise");
    let records = contents(&after, "machines").await;
    assert_eq!(find(&records, "newer"), live("newer", 5, "\"a\":1"));
    for id in ["older", "diverged", "dead", "alive", "only", "only-gone"] {
        assert_eq!(find(&records, id), find(&target(), id), "{id}");
    }
}

#[tokio::test]
async fn overwrite_writes_the_source_above_the_target() {
    let (report, from, after) = run(on_conflict(OnConflict::Overwrite)).await;
    let report = report.unwrap();
    assert_eq!(report.outcome, Outcome::Partly);
    let counts = report.totals;
    assert_eq!((counts.applied, counts.equal, counts.older, counts.diverged), (6, 1, 1, 0));
    assert!(counts.balances());
    let collection = &report.collections[0];
    assert_eq!((collection.replaced, collection.raised), (5, 4));
    assert_eq!(collection.only_in_target.count, 2);
    assert!(report.verification.unwrap().equal);
    let records = contents(&after, "machines").await;
    for (id, version) in [("newer", 5), ("older", 8), ("diverged", 4), ("dead", 7), ("alive", 4)] {
        let (now, wanted) = (find(&records, id), find(&source(), id));
        assert_eq!(now.version().get(), version, "{id}");
        assert_eq!(now.document(), wanted.document(), "{id}");
    }
    for before in target() {
        let now = find(&records, before.id().as_str());
        assert!(now.version() >= before.version(), "the version of {} fell", before.id());
    }

    // Once more: nothing is left to overwrite, so no version rises again.
    let probe = Arc::new(Probe::new(after));
    let again: Store = probe.clone();
    let options = on_conflict(OnConflict::Overwrite);
    let report = migrate(&from, &again, &schemas(&["machines"]), &options, &Silent).await.unwrap();
    assert_eq!((report.outcome, report.totals.applied), (Outcome::Partly, 0));
    assert_eq!(probe.write_count(), 0);
    assert!(report.verification.unwrap().equal);
}

#[tokio::test]
async fn a_target_that_is_only_behind_ends_verified() {
    let behind: Vec<Record> = (0..40).map(|n| live(&format!("m-{n}"), 1, "\"a\":0")).collect();
    let ahead: Vec<Record> = (0..40).map(|n| live(&format!("m-{n}"), 2, "\"a\":1")).collect();
    for choice in [OnConflict::Newer, OnConflict::Overwrite] {
        let (source, target) = (store(&ahead).await, store(&behind).await);
        let schemas = schemas(&["machines"]);
        let report =
            migrate(&source, &target, &schemas, &on_conflict(choice), &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::Verified);
        assert_eq!(report.collections[0].replaced, 40);
    }
}

#[tokio::test]
async fn what_will_be_replaced_is_archived_first() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        MigrationOptions { on_conflict: OnConflict::Overwrite, ..with_backup(folder.path()) };
    let (source, into, told) = (store(&source()).await, store(&target()).await, Told::default());
    let report = migrate(&source, &into, &schemas(&["machines"]), &options, &told).await.unwrap();
    assert_eq!(
        *told.phases.lock().unwrap(),
        [Phase::Check, Phase::Backup, Phase::BackupCheck, Phase::Copy, Phase::Verify]
    );
    let archive = Archive::open(&report.target_backup.unwrap()).await.unwrap();
    let back = store(&crate::archives::records(&archive, "machines").await.unwrap()).await;
    let report =
        verify(&back, &store(&target()).await, &VerifyOptions::default(), &Silent).await.unwrap();
    assert!(report.equal);
    let archive = Archive::open(&crate::archives::only_source(folder.path())).await.unwrap();
    assert_eq!(archive.manifest().collections[0].records, 8);
}

#[tokio::test]
async fn additions_alone_need_no_archive_of_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let records = many(100);
    let (source, target) = (store(&records).await, store(&records[..50]).await);
    let options = with_backup(folder.path());
    let report =
        migrate(&source, &target, &schemas(&["machines"]), &options, &Silent).await.unwrap();
    assert!(report.backup.is_some() && report.target_backup.is_none());
}

#[tokio::test]
async fn what_someone_else_writes_meanwhile_is_not_taken_for_purpose() {
    // The target's other writer is faster than the copy of `added`.
    let inner = store(&target()).await;
    let mut probe = Probe::new(inner.clone());
    probe.on_apply = Box::new(|_, mut records| {
        for record in &mut records {
            if record.id().as_str() == "added" {
                *record = live("added", 9, "\"by\":\"someone\"");
            }
        }
        Ok(records)
    });
    let (source, target): (Store, Store) = (store(&source()).await, Arc::new(probe));
    let options = on_conflict(OnConflict::Newer);
    let report =
        migrate(&source, &target, &schemas(&["machines"]), &options, &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Differs);
    let collection = &report.verification.unwrap().collections[0];
    assert!(collection.differences.iter().any(|one| one.id == "added"));
}
