//! Runs that stop before their end, and those that go on with them.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};

use repo_core::strategy::{Record, StoreUpdate};
use repo_core::{Error, ErrorKind};
use repo_migrate::{
    MigrationOptions, OnConflict, Outcome, Phase, Silent, VerifyOptions, migrate, status, verify,
};
use serde_json::{Value as Json, json};

use crate::stores::{
    Probe, Store, Told, batches_of, contents, cut_off, empty, job, live, many, name, options,
    schemas, store, with_backup,
};

/// A target that refuses every batch from the `fails`th on, and counts.
fn refusing(target: &Store, fails: u64) -> Arc<Probe> {
    let mut probe = Probe::new(target.clone());
    probe.on_apply =
        Box::new(move |number, records| if number >= fails { Err(cut_off()) } else { Ok(records) });
    Arc::new(probe)
}

fn as_store(probe: &Arc<Probe>) -> Store {
    probe.clone()
}

fn archives(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn from_an_archive_no_batch_is_copied_twice_and_no_second_one_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (store(&many(1_000)).await, empty());
    let (schemas, options) = (schemas(&["machines"]), with_backup(folder.path()));
    let mut applies = 0;
    let mut began = None;
    for (fails, records) in [(4, 300), (3, 500), (1, 500), (100, 1_000)] {
        let probe = refusing(&target, fails);
        let told = Told::default();
        let ended = migrate(&source, &as_store(&probe), &schemas, &options, &told).await;
        // A refused batch was tried, and is not there.
        let refused = u64::from(ended.is_err());
        applies += probe.applies.load(Ordering::SeqCst) - refused;
        assert_eq!(applies, records / 100, "each batch once");
        assert_eq!(archives(folder.path()), 1);
        if let Err(error) = ended {
            assert!(error.hint_text().unwrap().contains("same command"), "{error:?}");
            let found = status(&target).await.unwrap().unwrap();
            assert_eq!(found.copied[0].counts.read, records);
            assert_eq!((found.copied[0].of, found.copied[0].finished), (1_000, false));
            assert!(found.owner.is_none(), "a run that ended holds nothing");
            assert_eq!(*began.get_or_insert(found.begun_at), found.begun_at);
            continue;
        }
        let report = ended.unwrap();
        assert_eq!(report.outcome, Outcome::Verified);
        assert_eq!((report.totals.read, report.totals.applied), (1_000, 1_000));
        let resumed = report.resumed.unwrap();
        assert_eq!((resumed.records, Some(resumed.begun_at)), (500, began));
        assert_eq!(
            *told.phases.lock().unwrap(),
            [Phase::BackupCheck, Phase::Copy, Phase::Verify],
            "what was checked is not checked again"
        );
    }
    assert!(status(&target).await.unwrap().is_none());
    assert!(verify(&source, &target, &VerifyOptions::default(), &Silent).await.unwrap().equal);
}

#[tokio::test]
async fn a_run_that_is_asked_to_end_finishes_its_batch_and_says_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (backup, resumed) in [(true, 300), (false, 0)] {
        let (source, target) = (store(&many(1_000)).await, empty());
        let schemas = schemas(&["machines"]);
        let options = if backup { with_backup(folder.path()) } else { options() };
        let told = Told { stop_after: Some(3), ..Told::default() };
        let report = migrate(&source, &target, &schemas, &options, &told).await.unwrap();
        assert_eq!(report.outcome, Outcome::Interrupted);
        assert_eq!((report.totals.read, report.totals.applied), (300, 300));
        assert!(report.verification.is_none());
        assert_eq!(contents(&target, "machines").await.len(), 300);
        let report = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::Verified);
        assert_eq!(report.resumed.unwrap().records, resumed);
        assert_eq!(report.totals.read, 1_000);
    }
}

#[tokio::test]
async fn a_run_that_is_asked_to_end_before_it_writes_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().join("backups");
    let (source, target) = (store(&many(100)).await, Arc::new(Probe::new(empty())));
    struct Now;
    impl repo_migrate::Progress for Now {
        fn phase(&self, _phase: Phase, _total: Option<u64>) {}
        fn advance(&self, _collection: &repo_core::CollectionName, _records: u64) {}
        fn stopped(&self) -> futures::future::BoxFuture<'_, ()> {
            Box::pin(std::future::ready(()))
        }
    }
    let options = with_backup(&backups);
    let into = as_store(&target);
    let report = migrate(&source, &into, &schemas(&["machines"]), &options, &Now).await.unwrap();
    assert_eq!(report.outcome, Outcome::Interrupted);
    assert_eq!((report.totals.read, target.write_count()), (0, 0));
    assert!(!backups.exists());
}

/// A target whose first `apply` waits until it is let go.
fn held_up(target: &Store) -> (Store, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (reached, was_reached) = mpsc::channel();
    let (let_go, go) = mpsc::channel::<()>();
    let go = Mutex::new(go);
    let mut probe = Probe::new(target.clone());
    probe.on_apply = Box::new(move |number, records| {
        if number == 1 {
            reached.send(()).unwrap();
            let _ = go.lock().unwrap().recv();
        }
        Ok(records)
    });
    (Arc::new(probe), was_reached, let_go)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_stays_away_while_the_first_is_at_work() {
    let (source, target) = (store(&many(500)).await, empty());
    let (into, reached, let_go) = held_up(&target);
    let from = source.clone();
    let first = tokio::spawn(async move {
        migrate(&from, &into, &schemas(&["machines"]), &options(), &Silent).await
    });
    tokio::task::spawn_blocking(move || reached.recv().unwrap()).await.unwrap();
    let found = status(&target).await.unwrap().unwrap();
    assert_eq!(found.owner.unwrap().state, "at_work");
    for restart in [false, true] {
        let second = MigrationOptions { restart, ..options() };
        let error =
            migrate(&source, &target, &schemas(&["machines"]), &second, &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert_eq!(error.context_value("process"), Some(&*std::process::id().to_string()));
    }
    let_go.send(()).unwrap();
    assert_eq!(first.await.unwrap().unwrap().outcome, Outcome::Verified);
}

/// Changes what the target keeps, as another run would.
async fn change(target: &Store, plan: Option<&str>, edit: impl FnOnce(&mut Json)) {
    let stored = target.store_record().await.unwrap().job.unwrap();
    let mut progress: Json = serde_json::from_str(stored.progress()).unwrap();
    edit(&mut progress);
    let plan = plan.map_or_else(|| stored.id().to_string(), str::to_owned);
    let next = Some(job(&plan, &progress.to_string()));
    let update = StoreUpdate::Job { expected: Some(stored.id().clone()), job: next };
    target.update_store_record(update).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_taken_over_ends() {
    let (source, target) = (store(&many(500)).await, empty());
    let (into, reached, let_go) = held_up(&target);
    let first = tokio::spawn(async move {
        migrate(&source, &into, &schemas(&["machines"]), &options(), &Silent).await
    });
    tokio::task::spawn_blocking(move || reached.recv().unwrap()).await.unwrap();
    change(&target, Some("fingerprint:of another run"), |_| ()).await;
    let_go.send(()).unwrap();
    let error: Error = first.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.message().contains("taken the migration over"), "{error}");
    let kept = target.store_record().await.unwrap().job.unwrap();
    assert_eq!(kept.id().to_string(), "fingerprint:of another run", "nothing of it was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_of_a_run_elsewhere_is_kept_for_its_lease_and_then_taken_over() {
    let (source, target) = (store(&many(500)).await, empty());
    // Dropped in the middle: its lock stays.
    let (into, reached, let_go) = held_up(&target);
    let from = source.clone();
    let first = tokio::spawn(async move {
        migrate(&from, &into, &schemas(&["machines"]), &options(), &Silent).await
    });
    tokio::task::spawn_blocking(move || reached.recv().unwrap()).await.unwrap();
    first.abort();
    drop(let_go);
    assert!(first.await.unwrap_err().is_cancelled());
    change(&target, None, |progress| {
        progress["owner"]["machine"] = json!("elsewhere");
        progress["owner"]["host"] = json!("other-host");
    })
    .await;
    let run =
        || async { migrate(&source, &target, &schemas(&["machines"]), &options(), &Silent).await };
    let error = run().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.context_value("host")),
        (ErrorKind::Locked, Some("other-host"))
    );
    change(&target, None, |progress| {
        progress["owner"]["renewed_at"] = json!("2026-03-01T08:00:00Z");
    })
    .await;
    let report = run().await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    assert!(report.warnings[0].contains("taken over from process"), "{:?}", report.warnings);
    assert!(report.warnings[0].contains("other-host, which was last heard of at 2026-03-01"));
}

#[tokio::test]
async fn restarting_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (store(&many(1_000)).await, empty());
    let (schemas, kept) = (schemas(&["machines"]), with_backup(folder.path()));
    let refused = as_store(&refusing(&target, 4));
    migrate(&source, &refused, &schemas, &kept, &Silent).await.unwrap_err();
    let again = MigrationOptions { restart: true, ..kept };
    let report = migrate(&source, &target, &schemas, &again, &Silent).await.unwrap();
    assert_eq!((report.outcome, report.resumed), (Outcome::Verified, None));
    assert_eq!((report.totals.applied, report.totals.equal), (700, 300));
    assert_eq!(archives(folder.path()), 2);
}

#[tokio::test]
async fn restarting_drops_another_migration_and_compares_what_it_copied() {
    let (source, target) = (store(&many(1_000)).await, empty());
    let schemas = schemas(&["machines"]);
    let refused = as_store(&refusing(&target, 4));
    migrate(&source, &refused, &schemas, &options(), &Silent).await.unwrap_err();
    let other = store(&[live("m-00000", 1, "\"other\":1")]).await;
    let error = migrate(&other, &target, &schemas, &options(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.hint_text().unwrap().contains("by a restart"), "{error:?}");
    let dropping = MigrationOptions { restart: true, ..options() };
    let error = migrate(&other, &target, &schemas, &dropping, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    // It was refused before it wrote: the first can still be gone on with.
    let refused = as_store(&refusing(&target, 2));
    migrate(&source, &refused, &schemas, &options(), &Silent).await.unwrap_err();

    let more = store(&many(1_500)).await;
    let report = migrate(&more, &target, &schemas, &dropping, &Silent).await.unwrap();
    assert_eq!((report.outcome, report.totals.equal), (Outcome::Verified, 400));
    let warning = &report.warnings[0];
    assert!(warning.contains("is dropped; what it copied stays"), "{warning}");
    assert!(status(&target).await.unwrap().is_none());
}

#[tokio::test]
async fn an_archive_that_is_gone_or_another_makes_the_copy_begin_anew() {
    for damage in ["gone", "another", "bytes"] {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (store(&many(1_000)).await, empty());
        let (schemas, options) = (schemas(&["machines"]), with_backup(folder.path()));
        let refused = as_store(&refusing(&target, 4));
        migrate(&source, &refused, &schemas, &options, &Silent).await.unwrap_err();
        let archive = status(&target).await.unwrap().unwrap().backup.unwrap();
        match damage {
            "gone" => std::fs::remove_dir_all(&archive).unwrap(),
            "another" => {
                let other = with_backup(&folder.path().join("other"));
                let (from, into) = (store(&many(1_000)).await, empty());
                let made = migrate(&from, &into, &schemas, &other, &Silent).await.unwrap();
                let made = made.backup.unwrap();
                std::fs::remove_dir_all(&archive).unwrap();
                std::fs::rename(made, &archive).unwrap();
            }
            _ => std::fs::write(archive.join("machines.jsonl.zst"), "gone").unwrap(),
        }
        let ended = migrate(&source, &target, &schemas, &options, &Silent).await;
        if damage == "bytes" {
            assert_eq!(ended.unwrap_err().kind(), ErrorKind::Corrupt);
            let again = MigrationOptions { restart: true, ..options };
            let report = migrate(&source, &target, &schemas, &again, &Silent).await.unwrap();
            assert_eq!(report.outcome, Outcome::Verified);
            continue;
        }
        let report = ended.unwrap();
        assert_eq!(report.outcome, Outcome::Verified);
        assert!(report.warnings.iter().any(|w| w.contains("begins anew")), "{:?}", report.warnings);
        assert_eq!((report.totals.read, report.totals.equal), (1_000, 300), "{damage}");
    }
}

/// Half of these are in the target, older, newer, or with other content.
fn differing() -> Vec<Record> {
    let held = |n: u64| match n % 4 {
        0 => Some(live(&format!("m-{n:05}"), 9, "\"theirs\":1")),
        1 => Some(live(&format!("m-{n:05}"), 1, "\"theirs\":1")),
        _ => None,
    };
    (0..600).filter_map(held).collect()
}

#[tokio::test]
async fn conflicts_end_as_without_the_interruption() {
    for on_conflict in [OnConflict::Newer, OnConflict::Overwrite] {
        let folder = tempfile::tempdir().unwrap();
        let records: Vec<Record> =
            (0..600).map(|n| live(&format!("m-{n:05}"), 1 + n % 7, "\"ours\":1")).collect();
        let schemas = schemas(&["machines"]);
        let source = store(&records).await;
        let mut ends = Vec::new();
        for stops in [vec![], vec![2_u64, 3, 1]] {
            let target = store(&differing()).await;
            let backup = Some(folder.path().join(stops.len().to_string()));
            let options = MigrationOptions { on_conflict, backup, ..batches_of(50) };
            for fails in &stops {
                let refused = as_store(&refusing(&target, *fails));
                migrate(&source, &refused, &schemas, &options, &Silent).await.unwrap_err();
            }
            let report = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap();
            assert_eq!(report.outcome, Outcome::Partly);
            assert!(report.target_backup.is_some());
            assert_eq!(archives(options.backup.as_ref().unwrap()), 2, "one of each side");
            let one = &report.collections[0];
            let figures = (report.totals, one.replaced, one.raised, one.left_differing.clone());
            ends.push((contents(&target, "machines").await, figures));
        }
        assert_eq!(ends[0], ends[1], "{on_conflict:?}");
    }
}

#[tokio::test]
async fn what_the_target_keeps_can_be_read_and_names_the_tool() {
    let (source, target) = (store(&many(1_000)).await, empty());
    assert!(status(&target).await.unwrap().is_none());
    let named = MigrationOptions { collections: Some(vec![name("machines")]), ..options() };
    let refused = as_store(&refusing(&target, 2));
    migrate(&source, &refused, &schemas(&["machines"]), &named, &Silent).await.unwrap_err();
    let found = status(&target).await.unwrap().unwrap();
    assert_eq!((found.source.as_str(), found.stage), (source.location(), "copy"));
    assert_eq!(found.tool_version, env!("CARGO_PKG_VERSION"));
    assert_eq!(found.collections.unwrap().len(), 1);
    change(&target, None, |progress| progress["format"] = json!(99)).await;
    assert_eq!(status(&target).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn damaged_progress_is_named_and_can_be_dropped() {
    for progress in ["", "not JSON", "{}", "{\"format\": 1}", "[1, 2"] {
        let (source, target) = (store(&many(1_000)).await, empty());
        let refused = as_store(&refusing(&target, 2));
        let schemas = schemas(&["machines"]);
        migrate(&source, &refused, &schemas, &options(), &Silent).await.unwrap_err();
        let kept = target.store_record().await.unwrap().job.unwrap();
        let damaged = Some(job(&kept.id().to_string(), progress));
        let update = StoreUpdate::Job { expected: Some(kept.id().clone()), job: damaged };
        target.update_store_record(update).await.unwrap();
        let error = migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{progress}: {error}");
        assert!(error.hint_text().unwrap().contains("by a restart"), "{error:?}");
        assert_eq!(status(&target).await.unwrap_err().kind(), ErrorKind::Corrupt, "{progress}");
        let again = MigrationOptions { restart: true, ..options() };
        let report = migrate(&source, &target, &schemas, &again, &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::Verified, "{progress}");
        assert!(status(&target).await.unwrap().is_none());
    }
}
