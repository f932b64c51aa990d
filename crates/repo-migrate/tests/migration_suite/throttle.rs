//! Copying several batches at a time, and no faster than is borne.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use repo_core::ErrorKind;
use repo_migrate::{MigrationOptions, Outcome, Silent, VerifyOptions, migrate, verify};

use crate::stores::{
    Probe, Store, Told, batches_of, cut_off, empty, many, options, schemas, store, with_backup,
};

/// As the engine reads side by side.
fn lanes() -> u64 {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8) as u64)
}

fn workers(number: usize, options: MigrationOptions) -> MigrationOptions {
    MigrationOptions { workers: NonZeroUsize::new(number).unwrap(), ..options }
}

#[tokio::test]
async fn as_many_batches_are_written_at_a_time_as_there_are_workers() {
    let folder = tempfile::tempdir().unwrap();
    // Twelve batches: three rounds of four.
    let source = store(&many(1_200)).await;
    let mut probe = Probe::new(empty());
    probe.gather = Some(tokio::sync::Barrier::new(4));
    let target: Store = Arc::new(probe);
    let (schemas, options) = (schemas(&["machines"]), workers(4, with_backup(folder.path())));
    let run = migrate(&source, &target, &schemas, &options, &Silent);
    let report = tokio::time::timeout(Duration::from_secs(60), run).await;
    assert_eq!(report.expect("four at a time").unwrap().outcome, Outcome::Verified);
}

#[tokio::test]
async fn a_batch_that_is_refused_for_now_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    for options in [options(), with_backup(folder.path())] {
        let (source, target) = (store(&many(1_000)).await, empty());
        let mut probe = Probe::new(target.clone());
        probe.on_apply =
            Box::new(|number, records| if number % 3 == 0 { Err(cut_off()) } else { Ok(records) });
        let into: Store = Arc::new(probe);
        let options = workers(4, MigrationOptions { patience: Duration::from_secs(60), ..options });
        let told = Told::default();
        let report =
            migrate(&source, &into, &schemas(&["machines"]), &options, &told).await.unwrap();
        assert_eq!(report.outcome, Outcome::Verified);
        assert!(report.refusals >= 3, "{}", report.refusals);
        assert_eq!((report.totals.read, report.totals.applied), (1_000, 1_000));
        let warnings = told.warnings.lock().unwrap().clone();
        assert_eq!(warnings.len(), 1, "said once: {warnings:?}");
        assert!(warnings[0].contains("tried again"), "{warnings:?}");
        assert!(verify(&source, &target, &VerifyOptions::default(), &Silent).await.unwrap().equal);
    }
}

#[tokio::test]
async fn a_refused_run_ends_when_it_is_asked_to() {
    let (source, target) = (store(&many(1_000)).await, empty());
    let mut probe = Probe::new(target.clone());
    probe.on_apply =
        Box::new(|number, records| if number > 3 { Err(cut_off()) } else { Ok(records) });
    let into: Store = Arc::new(probe);
    let options = MigrationOptions { patience: Duration::from_secs(3_600), ..options() };
    let told = Told { stop_after: Some(3), ..Told::default() };
    let report = migrate(&source, &into, &schemas(&["machines"]), &options, &told).await.unwrap();
    assert_eq!((report.outcome, report.totals.read), (Outcome::Interrupted, 300));
}

#[tokio::test]
async fn a_limit_on_the_rate_is_kept() {
    let (source, target) = (store(&many(300)).await, empty());
    let limited = MigrationOptions { rate_limit: NonZeroUsize::new(1_000), ..batches_of(50) };
    let began = Instant::now();
    let report = migrate(&source, &target, &schemas(&["machines"]), &workers(4, limited), &Silent)
        .await
        .unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
}

/// Not as a burst of several seconds' worth.
#[tokio::test]
async fn no_batch_is_larger_than_a_second_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    for options in [options(), with_backup(folder.path())] {
        let source = store(&many(300)).await;
        let largest = Arc::new(AtomicUsize::new(0));
        let (seen, mut probe) = (Arc::clone(&largest), Probe::new(empty()));
        probe.on_apply = Box::new(move |_, records| {
            seen.fetch_max(records.len(), Ordering::SeqCst);
            Ok(records)
        });
        let target: Store = Arc::new(probe);
        let batch_size = batches_of(250).batch_size;
        let limited =
            MigrationOptions { rate_limit: NonZeroUsize::new(200), batch_size, ..options };
        migrate(&source, &target, &schemas(&["machines"]), &limited, &Silent).await.unwrap();
        assert_eq!(largest.load(Ordering::SeqCst), 200);
    }
}

/// Segments are read side by side only where each is cheaper than the whole,
/// and what was read is not counted once more.
#[tokio::test]
async fn a_source_is_read_and_counted_no_more_often_than_needed() {
    for (parallel_scan, passes) in [(true, 4), (false, 1)] {
        let mut source = Probe::new(store(&many(300)).await);
        source.capabilities = Some(source.inner.capabilities().with_parallel_scan(parallel_scan));
        let (source, target) = (Arc::new(source), Arc::new(Probe::new(empty())));
        let (from, into): (Store, Store) = (source.clone(), target.clone());
        let options = workers(4, options());
        let report = migrate(&from, &into, &schemas(&["machines"]), &options, &Silent).await;
        assert_eq!(report.unwrap().outcome, Outcome::Verified);
        let copied = source.scans.load(Ordering::SeqCst);
        // Checking and verifying read in as many parts as there are cores.
        let lanes = if parallel_scan { lanes() } else { 1 };
        assert_eq!(copied, passes + 2 * lanes, "parallel: {parallel_scan}");
        let counts = [&source.counts, &target.counts].map(|counts| counts.load(Ordering::SeqCst));
        assert_eq!(counts, [1, 0], "once, for the progress bar");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pair_of_stores_copies_in_parallel() {
    use crate::places::Place;
    let folder = tempfile::tempdir().unwrap();
    let schemas = schemas(&["machines"]);
    let records = many(700);
    for (number, (from, into)) in Place::pairs().into_iter().enumerate() {
        for backup in [true, false] {
            let what = format!("{} into {}, backup {backup}", from.name, into.name);
            let here = folder.path().join(format!("{number}-{backup}"));
            let source = from.open(&here.join("source"), &schemas, false).await.unwrap();
            crate::stores::fill(&source, &records).await;
            let target = into.open(&here.join("target"), &schemas, false).await.unwrap();
            let options = if backup { with_backup(&here.join("backups")) } else { options() };
            let options =
                workers(5, MigrationOptions { batch_size: batches_of(30).batch_size, ..options });
            // Cut off in the middle, and gone on with.
            let mut probe = Probe::new(target.clone());
            probe.on_apply =
                Box::new(|number, records| if number == 11 { Err(cut_off()) } else { Ok(records) });
            let cut: Store = Arc::new(probe);
            let error = migrate(&source, &cut, &schemas, &options, &Silent).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{what}");
            let report = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap();
            assert_eq!((report.outcome, report.totals.read), (Outcome::Verified, 700), "{what}");
            assert!(report.resumed.is_some(), "{what}");
            assert!(
                verify(&source, &target, &VerifyOptions::default(), &Silent).await.unwrap().equal,
                "{what}"
            );
            source.close().await.unwrap();
            target.close().await.unwrap();
        }
    }
}
