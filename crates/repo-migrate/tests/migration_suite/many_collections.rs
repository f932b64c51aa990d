//! Thousands of small collections take no more requests than their records do.
//! What is counted is what costs a sync of the disk or a request to a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use repo_core::strategy::Record;
use repo_core::{Entity, ErrorKind, Schemas};
use repo_migrate::{MigrationOptions, OnConflict, Outcome, Silent, migrate};

use crate::stores::{
    Probe, Store, batches_of, contents, cut_off, empty, live, many, name, options, schema,
    with_backup,
};

const COLLECTIONS: u64 = 500;
const BATCH: usize = 100;

fn collection(number: u64) -> String {
    format!("c{number:04}")
}

fn all_schemas(count: u64) -> Schemas {
    (0..count).map(|number| schema(&collection(number))).collect()
}

fn of_collection(record: &Record, number: u64) -> Record {
    match record {
        Record::Live(entity) => {
            Record::Live(Entity { collection: name(&collection(number)), ..entity.clone() })
        }
        Record::Tombstone(gone) => {
            let mut gone = gone.clone();
            gone.collection = name(&collection(number));
            Record::Tombstone(gone)
        }
    }
}

/// Collections of so many records each.
async fn source(sizes: &[u64]) -> Store {
    let store = empty();
    for (number, size) in (0..).zip(sizes) {
        store.prepare(&[schema(&collection(number))]).await.unwrap();
        let records = many(*size).iter().map(|record| of_collection(record, number)).collect();
        store.apply(records).await.unwrap();
    }
    store
}

async fn assert_same(source: &Store, target: &Store, count: u64) {
    for number in 0..count {
        let name = collection(number);
        assert_eq!(contents(source, &name).await, contents(target, &name).await, "{name}");
    }
}

#[tokio::test]
async fn small_collections_share_batches_and_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(&[1; COLLECTIONS as usize]).await;
    for options in [with_backup(folder.path()), options()] {
        let target = Arc::new(Probe::new(empty()));
        let into: Store = target.clone();
        let schemas = all_schemas(COLLECTIONS);
        let report = migrate(&source, &into, &schemas, &options, &Silent).await.unwrap();
        assert_eq!((report.outcome, report.totals.applied), (Outcome::Verified, COLLECTIONS));
        assert!(report.collections.iter().all(|one| one.counts.applied == 1));
        assert_eq!(target.applies.load(Ordering::SeqCst), COLLECTIONS / BATCH as u64);
        // Beside these: the lease, what there is to copy, the stages, the end, and a
        // checkpoint every 250 ms on a slow machine.
        assert!(target.write_count() < 40, "{} writes to the target", target.write_count());
        assert_same(&source, &into, COLLECTIONS).await;
    }
}

#[tokio::test]
async fn collections_of_all_sizes_arrive_whole() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = [0, 1, 6, 7, 8, 3, 3, 3, 0, 20, 1, 7, 2];
    let source = source(&sizes).await;
    for backup in [true, false] {
        let target = empty();
        let options =
            MigrationOptions { backup: backup.then(|| folder.path().to_owned()), ..batches_of(7) };
        let schemas = all_schemas(sizes.len() as u64);
        let report = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::Verified);
        for (one, size) in report.collections.iter().zip(sizes) {
            assert_eq!((one.counts.read, one.counts.applied), (size, size), "{}", one.name);
        }
        assert_same(&source, &target, sizes.len() as u64).await;
    }
}

/// Each collection of a shared batch is told for itself.
#[tokio::test]
async fn what_is_there_already_is_counted_where_it_is() {
    let source = source(&[4, 4, 4]).await;
    let target = empty();
    let here = [(0, 4), (1, 2)];
    for (number, size) in here {
        target.prepare(&[schema(&collection(number))]).await.unwrap();
        let records = many(size).iter().map(|record| of_collection(record, number)).collect();
        target.apply(records).await.unwrap();
    }
    let older = of_collection(&live("m-00003", 1, ""), 1);
    target.apply(vec![older]).await.unwrap();
    let options = MigrationOptions { on_conflict: OnConflict::Overwrite, ..options() };
    let report = migrate(&source, &target, &all_schemas(3), &options, &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    let counts: Vec<_> =
        report.collections.iter().map(|one| (one.counts.applied, one.counts.equal)).collect();
    assert_eq!(counts, [(0, 4), (2, 2), (4, 0)]);
    assert_same(&source, &target, 3).await;
}

/// What arrived in shared batches is not written again by the next run.
#[tokio::test]
async fn a_run_that_was_cut_off_goes_on_after_the_last_shared_batch() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(&[1; 50]).await;
    let kept = empty();
    let options = MigrationOptions { backup: Some(folder.path().to_owned()), ..batches_of(10) };
    let mut dying = Probe::new(Arc::clone(&kept));
    dying.on_apply =
        Box::new(|number, records| if number < 4 { Ok(records) } else { Err(cut_off()) });
    let into: Store = Arc::new(dying);
    let schemas = all_schemas(50);
    let error = migrate(&source, &into, &schemas, &options, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), cut_off().kind());
    assert_ne!(error.kind(), ErrorKind::Conflict);
    let written = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&written);
    let mut next = Probe::new(kept);
    next.on_apply = Box::new(move |_, records| {
        counted.fetch_add(records.len() as u64, Ordering::SeqCst);
        Ok(records)
    });
    let into: Store = Arc::new(next);
    let report = migrate(&source, &into, &schemas, &options, &Silent).await.unwrap();
    assert_eq!((report.outcome, report.totals.applied), (Outcome::Verified, 50));
    assert_eq!(written.load(Ordering::SeqCst), 20, "30 were durable");
    assert_same(&source, &into, 50).await;
}
