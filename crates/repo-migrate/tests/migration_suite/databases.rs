//! The same with a database on disk.

use std::path::Path;
use std::sync::Arc;

use repo_core::strategy::{OpenOptions, Registry};
use repo_core::{CollectionSchema, ErrorKind, FieldPath, Filter, Plan, Query, Result, Schemas};
use repo_migrate::{
    Archive, MigrationOptions, Outcome, Silent, VerifyOptions, migrate, status, verify,
};

use crate::stores::{
    Probe, Store, batches_of, contents, empty, hostile, many, name, options, schema, schemas,
    store, with_backup,
};

/// Opens the database in a file.
async fn open(file: &Path, read_only: bool) -> Result<Store> {
    let registry = Registry::new().with(repo_sql::SqliteFactory);
    let (factory, settings) = registry.by_url(&format!("sqlite:{}", file.display()))?;
    let schemas = Arc::new(schemas(&["machines"]));
    factory
        .open(&settings, OpenOptions::default().with_read_only(read_only).with_schemas(schemas))
        .await
}

/// The names and contents of all files in a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn there_and_back_again_every_record_is_equal() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = many(10_000);
    records.extend(hostile());
    let (source, back) = (store(&records).await, empty());
    let schemas = schemas(&["machines"]);
    let options = MigrationOptions {
        batch_size: batches_of(500).batch_size,
        ..with_backup(&folder.path().join("backups"))
    };
    let file = folder.path().join("there.db");
    let database = open(&file, false).await.unwrap();
    let report = migrate(&source, &database, &schemas, &options, &Silent).await.unwrap();
    assert_eq!((report.outcome, report.totals.applied), (Outcome::Verified, 10_016));
    database.close().await.unwrap();

    let database = open(&file, true).await.unwrap();
    let report = migrate(&database, &back, &schemas, &options, &Silent).await.unwrap();
    assert_eq!((report.outcome, report.totals.applied), (Outcome::Verified, 10_016));
    assert_eq!(contents(&back, "machines").await, contents(&source, "machines").await);
    let archive = Archive::open(&report.backup.unwrap()).await.unwrap();
    assert!(archive.manifest().location.starts_with("sqlite:"));
}

#[tokio::test]
async fn a_second_run_and_a_dry_run_leave_the_file_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (file, backups) = (folder.path().join("data/there.db"), folder.path().join("backups"));
    let data = file.parent().unwrap();
    std::fs::create_dir(data).unwrap();
    let source = store(&many(500)).await;
    let schemas = schemas(&["machines"]);
    let dry = MigrationOptions { dry_run: true, ..with_backup(&backups) };

    // Not there yet: opened for writing, and nothing is made.
    assert_eq!(open(&file, true).await.unwrap_err().kind(), ErrorKind::NotFound);
    let target = open(&file, false).await.unwrap();
    let report = migrate(&source, &target, &schemas, &dry, &Silent).await.unwrap();
    assert_eq!((report.outcome, report.totals.applied), (Outcome::DryRun, 500));
    target.close().await.unwrap();
    assert_eq!(files(data), []);

    let target = open(&file, false).await.unwrap();
    migrate(&source, &target, &schemas, &with_backup(&backups), &Silent).await.unwrap();
    target.close().await.unwrap();
    let before = files(data);
    let archives = std::fs::read_dir(&backups).unwrap().count();

    for (options, read_only, outcome) in
        [(&dry, true, Outcome::DryRun), (&with_backup(&backups), false, Outcome::Verified)]
    {
        let target = open(&file, read_only).await.unwrap();
        let report = migrate(&source, &target, &schemas, options, &Silent).await.unwrap();
        assert_eq!((report.outcome, report.totals.equal), (outcome, 500));
        target.close().await.unwrap();
        let changed: Vec<String> = files(data)
            .into_iter()
            .filter(|file| !before.contains(file))
            .map(|(name, _)| name)
            .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
            .collect();
        assert!(changed.is_empty(), "{changed:?}");
    }
    assert_eq!(std::fs::read_dir(&backups).unwrap().count(), archives);
}

#[tokio::test]
async fn a_run_dropped_at_any_moment_is_repeated_by_the_same_call() {
    let folder = tempfile::tempdir().unwrap();
    let source = store(&many(2_000)).await;
    let schemas = schemas(&["machines"]);
    let file = folder.path().join("there.db");
    for _ in 0..6 {
        let target = open(&file, false).await.unwrap();
        let (reached, mut dropped) = tokio::sync::mpsc::unbounded_channel();
        let mut probe = Probe::new(target.clone());
        probe.on_apply = Box::new(move |number, records| {
            if number > 2 {
                let _ = reached.send(());
            }
            Ok(records)
        });
        let (into, options): (Store, _) = (Arc::new(probe), options());
        tokio::select! {
            biased;
            _ = dropped.recv() => {}
            report = migrate(&source, &into, &schemas, &options, &Silent) => {
                panic!("not dropped: {report:?}");
            }
        }
        target.close().await.unwrap();
    }
    let target = open(&file, false).await.unwrap();
    let report = migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    assert_eq!(report.totals.applied + report.totals.equal, 2_000);
    // What was acknowledged before the last drop is there.
    assert!(report.totals.equal >= 1_200, "{:?}", report.totals);
    assert!(verify(&source, &target, &VerifyOptions::default(), &Silent).await.unwrap().equal);
}

/// A run that copied everything and ended before it made the indexes.
#[tokio::test]
async fn indexes_are_made_by_the_run_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let source = store(&many(500)).await;
    let indexed = CollectionSchema {
        indexes: vec![vec![FieldPath::parse("n").unwrap()]],
        ..schema("machines")
    };
    let schemas: Schemas = std::iter::once(indexed).collect();
    let plan = async |target: &Store| {
        let query = Query::new(Filter::parse(r#"{"n": 7.5}"#).unwrap());
        let page = target.query(&name("machines"), &query).await.unwrap();
        assert_eq!(page.entities.len(), 1);
        page.plan
    };
    let by_index = Plan::Index { name: "machines-n-index".to_owned() };
    for (file, backup) in [("with.db", true), ("without.db", false)] {
        let file = folder.path().join(file);
        let options = if backup { with_backup(&folder.path().join("b")) } else { options() };
        let target = open(&file, false).await.unwrap();
        let probe = Probe { refuses_prepare: true, ..Probe::new(target.clone()) };
        let into: Store = Arc::new(probe);
        migrate(&source, &into, &schemas, &options, &Silent).await.unwrap_err();
        assert_eq!(plan(&target).await, Plan::Scan);
        let found = status(&target).await.unwrap().unwrap();
        assert_eq!((found.copied[0].counts.read, found.copied[0].finished), (500, true));
        let report = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::Verified);
        assert_eq!(plan(&target).await, by_index);
    }
}
