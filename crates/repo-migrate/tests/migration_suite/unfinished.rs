//! A run that was cut off, and other runs that meet its mark.

use std::sync::Arc;

use repo_core::ErrorKind;
use repo_migrate::{MigrationOptions, OnConflict, Outcome, Silent, VerifyOptions, migrate, verify};

use crate::stores::{
    Probe, Store, beginning, cut_off, empty, fill, live, many, name, on_conflict, options, schemas,
    store, with_backup,
};

/// A run of which the target refuses the third batch.
async fn cut_off_run(source: &Store, target: &Store, options: &MigrationOptions) {
    let mut probe = Probe::new(target.clone());
    probe.on_apply =
        Box::new(|number, records| if number == 3 { Err(cut_off()) } else { Ok(records) });
    let into: Store = Arc::new(probe);
    let error =
        migrate(source, &into, &schemas(&["machines"]), options, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.context_value("side"), Some("target"));
    if options.backup.is_some() {
        assert!(error.context_value("backup").is_some(), "the error says where the backup is");
    }
}

#[tokio::test]
async fn a_run_that_was_cut_off_is_repeated_by_the_same_call() {
    let folder = tempfile::tempdir().unwrap();
    // From an archive the copy goes on after the last batch, and counts go on.
    for (options, counts) in [(options(), (800, 200)), (with_backup(folder.path()), (1_000, 0))] {
        let (source, target) = (store(&many(1_000)).await, empty());
        cut_off_run(&source, &target, &options).await;
        let job = target.store_record().await.unwrap().job.unwrap();
        assert!(job.progress().contains(source.location()), "{}", job.progress());
        let error = target.purge(&name("machines"), crate::stores::time(0)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);

        let schemas = schemas(&["machines"]);
        let report = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::Verified);
        assert_eq!((report.totals.applied, report.totals.equal), counts);
        assert!(report.warnings[0].contains("unfinished run of the same migration"));
        assert_eq!(target.store_record().await.unwrap().job, None);
        assert!(verify(&source, &target, &VerifyOptions::default(), &Silent).await.unwrap().equal);
    }
}

#[tokio::test]
async fn a_source_that_moved_on_meanwhile_is_caught_up_with() {
    let (source, target) = (store(&many(1_000)).await, empty());
    cut_off_run(&source, &target, &options()).await;
    source.apply(vec![live("m-00001", 50, "\"a\":1")]).await.unwrap();
    let report =
        migrate(&source, &target, &schemas(&["machines"]), &options(), &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    assert_eq!(report.collections[0].replaced, 1);
}

#[tokio::test]
async fn a_mark_is_taken_off_when_nothing_is_left_to_do() {
    let records = many(100);
    let (source, target) = (store(&records).await, empty());
    cut_off_run(&source, &target, &crate::stores::batches_of(10)).await;
    let missing: Vec<_> = {
        let held = crate::stores::contents(&target, "machines").await;
        records.iter().filter(|record| !held.contains(record)).cloned().collect()
    };
    fill(&target, &missing).await;
    let report =
        migrate(&source, &target, &schemas(&["machines"]), &options(), &Silent).await.unwrap();
    assert_eq!((report.outcome, report.totals.equal), (Outcome::Verified, 100));
    assert_eq!(target.store_record().await.unwrap().job, None);
}

#[tokio::test]
async fn another_plan_is_locked_out_and_told_what_to_do() {
    let (source, target) = (store(&many(1_000)).await, empty());
    let named = MigrationOptions { collections: Some(vec![name("machines")]), ..options() };
    cut_off_run(&source, &target, &named).await;
    let schemas = schemas(&["machines"]);
    for dry_run in [false, true] {
        let other = MigrationOptions { dry_run, ..options() };
        let error = migrate(&source, &target, &schemas, &other, &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert_eq!(error.context_value("its_source"), Some(source.location()));
        let collections = Some(vec!["machines".parse().unwrap()]);
        let expected = repo_migrate::Remedy::FinishOrRestart { collections };
        assert_eq!(error.remedy_as::<repo_migrate::Remedy>(), Some(&expected));
    }
    let elsewhere = store(&many(3)).await;
    let error = migrate(&elsewhere, &target, &schemas, &named, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);

    // How conflicts are met may be chosen anew.
    let newer =
        MigrationOptions { collections: named.collections, ..on_conflict(OnConflict::Newer) };
    let report = migrate(&source, &target, &schemas, &newer, &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
}

#[tokio::test]
async fn a_mark_that_cannot_be_read_is_called_damaged() {
    let (source, target) = (store(&many(3)).await, store(&[]).await);
    target.update_store_record(beginning("p", "from the future")).await.unwrap();
    let error =
        migrate(&source, &target, &schemas(&["machines"]), &options(), &Silent).await.unwrap_err();
    assert_eq!((error.kind(), error.context_value("plan")), (ErrorKind::Corrupt, Some("p")));
}

#[tokio::test]
async fn an_incomplete_source_is_warned_of() {
    let (source, target) = (store(&many(3)).await, empty());
    source.update_store_record(beginning("p", "{}")).await.unwrap();
    let report =
        migrate(&source, &target, &schemas(&["machines"]), &options(), &Silent).await.unwrap();
    assert!(report.warnings[0].contains("may lack records"));
}
