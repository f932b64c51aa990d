//! Removing from the source what a verified migration has brought over.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{Change, Document, EntityId, Error, ErrorKind, Key, Precondition, Write};
use repo_migrate::{
    CleanUpOptions, CleanUpReport, MigrationOptions, OnConflict, Outcome, Silent, Verified,
    clean_up, migrate, status, unfinished_clean_up,
};

use crate::stores::{
    Probe, Store, Told, beginning, contents, cut_off, empty, gone, hostile, live, many, name,
    on_conflict, options, schemas, store,
};

fn clean_up_options() -> CleanUpOptions {
    CleanUpOptions {
        batch_size: NonZeroUsize::new(7).unwrap(),
        workers: NonZeroUsize::new(3).unwrap(),
        rate_limit: None,
        patience: Duration::ZERO,
        upgrades: None,
    }
}

async fn verified(source: &Store, target: &Store) -> Verified {
    let done = migrate(source, target, &schemas(&["machines"]), &options(), &Silent).await.unwrap();
    done.verified().expect("a verified run")
}

async fn cleaned(source: &Store, target: &Store, proof: &Verified) -> CleanUpReport {
    clean_up(source, target, proof, &clean_up_options(), &Silent).await.unwrap()
}

fn key(id: &str) -> Key {
    Key { collection: name("machines"), id: EntityId::new(id).unwrap() }
}

async fn change(store: &Store, id: &str, change: Change) {
    let write =
        Write { key: key(id), precondition: Precondition::Exists, change, attribution: None };
    store.commit(vec![write]).await.unwrap();
}

fn document(id: &str, fields: &str) -> Document {
    Document::parse(&format!("{{\"id\":\"{id}\",{fields}}}")).unwrap()
}

async fn mark(store: &Store) -> Option<String> {
    store.store_record().await.unwrap().job.map(|job| job.id().to_string())
}

#[tokio::test]
async fn the_source_is_empty_and_the_target_is_untouched() {
    for records in [many(200), hostile(), vec![gone("only", 3)], Vec::new()] {
        let (source, target) = (store(&records).await, empty());
        let proof = verified(&source, &target).await;
        let before = contents(&target, "machines").await;
        let report = cleaned(&source, &target, &proof).await;
        let live = records.iter().filter(|record| record.is_live()).count() as u64;
        assert_eq!(report.collections[0].deleted, live);
        assert!(report.is_complete() && report.collections[0].purged, "{report:?}");
        assert_eq!(contents(&source, "machines").await, []);
        assert_eq!(contents(&target, "machines").await, before);
        assert_eq!(mark(&source).await, None);
        // No version may start again below one that was used.
        let highest = records.iter().map(|record| record.version().get()).max().unwrap_or(0);
        let floor = source.store_record().await.unwrap().collections[&name("machines")].floor;
        assert!(floor >= highest, "{floor} {highest}");
    }
}

#[tokio::test]
async fn copying_again_afterwards_deletes_nothing_in_the_target() {
    let (source, target) = (store(&many(50)).await, empty());
    let proof = verified(&source, &target).await;
    cleaned(&source, &target, &proof).await;
    let before = contents(&target, "machines").await;
    for how in [OnConflict::Newer, OnConflict::Overwrite] {
        let (schemas, how) = (schemas(&["machines"]), on_conflict(how));
        let again = migrate(&source, &target, &schemas, &how, &Silent).await.unwrap();
        assert_eq!(again.outcome, Outcome::Partly, "only the target has them");
        assert_eq!(contents(&target, "machines").await, before);
    }
}

#[tokio::test]
async fn what_changed_since_stays_and_is_named() {
    let (source, target) = (store(&many(100)).await, empty());
    let proof = verified(&source, &target).await;
    change(&source, "m-00001", Change::Put(document("m-00001", "\"late\":true"))).await;
    change(&target, "m-00002", Change::Put(document("m-00002", "\"late\":true"))).await;
    change(&target, "m-00005", Change::Delete).await;
    let report = cleaned(&source, &target, &proof).await;
    let left = &report.collections[0].left;
    assert_eq!(left.count, 3, "{report:?}");
    for id in ["m-00001 (", "m-00002 (", "m-00005 ("] {
        assert!(left.first.iter().any(|text| text.starts_with(id)), "{left:?}");
    }
    assert!(!report.is_complete() && report.collections[0].purged);
    let ids: Vec<String> =
        contents(&source, "machines").await.iter().map(|record| record.id().to_string()).collect();
    assert_eq!(ids, ["m-00001", "m-00002", "m-00005"]);
    // What is left can still be brought over.
    let newer = on_conflict(OnConflict::Newer);
    migrate(&source, &target, &schemas(&["machines"]), &newer, &Silent).await.unwrap();
    let late = target.get(&name("machines"), &key("m-00001").id).await.unwrap().unwrap();
    assert!(late.document.as_str().contains("late"));
}

#[tokio::test]
async fn a_record_that_changes_while_its_batch_is_deleted_stays() {
    let source = store(&many(20)).await;
    let target = empty();
    let proof = verified(&source, &target).await;
    let inner = Arc::clone(&source);
    let mut probe = Probe::new(Arc::clone(&source));
    // Between the look at the target and the delete.
    probe.before_commit = Some(Box::new(move |number| {
        let inner = Arc::clone(&inner);
        Box::pin(async move {
            if number == 1 {
                change(&inner, "m-00004", Change::Put(document("m-00004", "\"a\":1"))).await;
            }
        })
    }));
    let racing: Store = Arc::new(probe);
    let one = CleanUpOptions { workers: NonZeroUsize::MIN, ..clean_up_options() };
    let report = clean_up(&racing, &target, &proof, &one, &Silent).await.unwrap();
    assert_eq!(report.collections[0].left.first, ["m-00004 (changed after it was verified)"]);
    assert_eq!(contents(&source, "machines").await.len(), 1);
}

#[tokio::test]
async fn a_later_delete_in_the_source_is_kept_until_the_target_knows_it() {
    let (source, target) = (store(&many(30)).await, empty());
    let proof = verified(&source, &target).await;
    change(&source, "m-00001", Change::Put(document("m-00001", "\"late\":true"))).await;
    change(&source, "m-00001", Change::Delete).await;
    for _ in 0..2 {
        let report = cleaned(&source, &target, &proof).await;
        assert_eq!(report.collections[0].deleted_by_others, 1);
        assert!(!report.collections[0].purged && !report.is_complete());
        assert!(mark(&source).await.is_some_and(|plan| plan.starts_with("clean-up:")));
    }
    // Its tombstones are all that says so, and would delete the rest.
    for how in [OnConflict::Fail, OnConflict::Newer] {
        let (schemas, how) = (schemas(&["machines"]), on_conflict(how));
        let error = migrate(&source, &target, &schemas, &how, &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert_eq!(
            error.remedy_as::<repo_migrate::Remedy>(),
            Some(&repo_migrate::Remedy::FinishCleanUp),
            "{error}"
        );
    }
    change(&target, "m-00001", Change::Delete).await;
    let proof = unfinished_clean_up(&source, &target).await.unwrap().expect("it is unfinished");
    let report = cleaned(&source, &target, &proof).await;
    assert!(report.is_complete() && report.collections[0].purged, "{report:?}");
    assert_eq!((mark(&source).await, contents(&source, "machines").await), (None, vec![]));
}

#[tokio::test]
async fn one_that_broke_off_is_gone_on_with() {
    let source = store(&many(60)).await;
    let target = empty();
    let proof = verified(&source, &target).await;
    let before = contents(&target, "machines").await;
    let mut probe = Probe::new(Arc::clone(&source));
    probe.on_commit =
        Box::new(|number, writes| if number > 3 { Err(cut_off()) } else { Ok(writes) });
    let broken: Store = Arc::new(probe);
    let error = clean_up(&broken, &target, &proof, &clean_up_options(), &Silent).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable);
    let left = live_ids(&source).await;
    assert!((1..54).contains(&left), "{left} are left");
    // Into another store its tombstones must not go either.
    let other = empty();
    let error = migrate(&source, &other, &schemas(&["machines"]), &options(), &Silent).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(unfinished_clean_up(&source, &other).await.unwrap_err().kind(), ErrorKind::Locked);
    let found = status(&source).await.unwrap().expect("it is unfinished");
    assert_eq!((found.stage, found.target.as_str()), ("clean_up", target.location()));
    let proof = unfinished_clean_up(&source, &target).await.unwrap().expect("it is unfinished");
    let report = cleaned(&source, &target, &proof).await;
    assert_eq!(report.collections[0].deleted, left);
    assert_eq!(contents(&source, "machines").await, []);
    assert_eq!(contents(&target, "machines").await, before);
    assert_eq!(unfinished_clean_up(&source, &target).await.unwrap(), None);
    assert!(status(&source).await.unwrap().is_none());
}

async fn live_ids(store: &Store) -> u64 {
    contents(store, "machines").await.iter().filter(|record| record.is_live()).count() as u64
}

#[tokio::test]
async fn one_that_is_told_to_end_says_how_far_it_came() {
    let (source, target) = (store(&many(60)).await, empty());
    let proof = verified(&source, &target).await;
    let told = Told::default();
    told.asked.store(true, std::sync::atomic::Ordering::SeqCst);
    let report = clean_up(&source, &target, &proof, &clean_up_options(), &told).await.unwrap();
    assert!(report.interrupted && !report.is_complete());
    assert!(mark(&source).await.is_some());
    assert!(cleaned(&source, &target, &proof).await.is_complete());
}

#[tokio::test]
async fn nothing_is_removed_without_a_verified_run_of_these_two_stores() {
    let (source, target) = (store(&many(10)).await, empty());
    let dry = MigrationOptions { dry_run: true, ..options() };
    let unverified = MigrationOptions { verify: false, ..options() };
    for options in [dry, unverified] {
        let done = migrate(&source, &target, &schemas(&["machines"]), &options, &Silent).await;
        assert_eq!(done.unwrap().verified(), None);
    }
    let proof = verified(&source, &target).await;
    for (a, b) in [(&source, &empty()), (&empty(), &target), (&target, &source)] {
        let error = clean_up(a, b, &proof, &clean_up_options(), &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    }
    let partly = store(&[live("m-1", 1, "\"a\":1")]).await;
    let newer = store(&[live("m-1", 2, "\"a\":2")]).await;
    let options = on_conflict(OnConflict::Newer);
    let done = migrate(&partly, &newer, &schemas(&["machines"]), &options, &Silent).await.unwrap();
    assert_eq!((done.outcome, done.verified()), (Outcome::Partly, None));
}

#[tokio::test]
async fn a_migration_into_the_source_is_finished_first() {
    let (source, target) = (store(&many(10)).await, empty());
    let proof = verified(&source, &target).await;
    source.update_store_record(beginning("p", "{}")).await.unwrap();
    let error: Error =
        clean_up(&source, &target, &proof, &clean_up_options(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert_eq!(live_ids(&source).await, 9);
}
