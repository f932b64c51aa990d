//! Two handles that only a mark shows to be on one store.

use std::sync::Arc;

use repo_core::strategy::{OpenOptions, StoreUpdate, UnfinishedJob};
use repo_core::{ErrorKind, MemoryStrategy};
use repo_migrate::{
    CleanUpOptions, MigrationOptions, Outcome, Silent, clean_up, migrate, unfinished_clean_up,
};

use crate::stores::{Probe, Store, beginning, contents, empty, many, options, schemas, store};

/// The store under another name, as a proxy shows it.
fn renamed(store: &Store, name: &str) -> Store {
    Arc::new(Probe { renamed: Some(name.to_owned()), ..Probe::new(Arc::clone(store)) })
}

fn cleaning() -> (MigrationOptions, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let backup = Some(folder.path().to_owned());
    (MigrationOptions { clean_up: true, backup, ..options() }, folder)
}

async fn migration(store: &Store) -> Option<UnfinishedJob> {
    store.store_record().await.unwrap().job
}

#[tokio::test]
async fn a_mark_shows_one_store_under_two_names() {
    let one = store(&many(20)).await;
    let before = contents(&one, "machines").await;
    let (source, target) = (renamed(&one, "a"), renamed(&one, "b"));
    let (cleaning, folder) = cleaning();
    // Both carry the same id, so it is asked whatever the run is for.
    for options in [options(), cleaning] {
        let run = migrate(&source, &target, &schemas(&["machines"]), &options, &Silent).await;
        let error = run.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
        assert_eq!(error.context_value("store"), Some("a"));
        assert_eq!(error.context_value("also_named"), Some("b"));
        assert_eq!(migration(&one).await, None, "the mark is gone");
    }
    assert_eq!(contents(&one, "machines").await, before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no archive");
}

#[tokio::test]
async fn a_mark_of_a_killed_run_hinders_nothing() {
    let one = store(&many(20)).await;
    let leave = beginning("mark:left", "");
    one.update_store_record(leave.clone()).await.unwrap();
    let (cleaning, _folder) = cleaning();
    let (source, target) = (renamed(&one, "a"), renamed(&one, "b"));
    let run = migrate(&source, &target, &schemas(&["machines"]), &cleaning, &Silent).await;
    assert_eq!(run.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    assert_eq!(migration(&one).await, None);
    // Neither as the source, nor as the target, nor for upkeep.
    one.update_store_record(leave.clone()).await.unwrap();
    let other = empty();
    migrate(&one, &other, &schemas(&["machines"]), &options(), &Silent).await.unwrap();
    other.update_store_record(leave).await.unwrap();
    let name = crate::stores::name("machines");
    other.purge(&name, repo_core::Timestamp::from_micros(0).unwrap()).await.unwrap();
    let done = migrate(&one, &other, &schemas(&["machines"]), &cleaning, &Silent).await.unwrap();
    assert_eq!(done.outcome, Outcome::Verified);
    assert_eq!(unfinished_clean_up(&one, &other).await.unwrap(), None);
}

#[tokio::test]
async fn two_stores_behind_names_are_two() {
    let (one, other) = (store(&many(20)).await, store(&many(20)).await);
    let (source, target) = (renamed(&one, "a"), renamed(&other, "b"));
    let (cleaning, folder) = cleaning();
    let done =
        migrate(&source, &target, &schemas(&["machines"]), &cleaning, &Silent).await.unwrap();
    assert_eq!(done.outcome, Outcome::Verified);
    assert!(done.backup.is_some(), "all was equal, and there is an archive");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(migration(&other).await, None);
}

/// A copy behind another name: the mark is not found, so it is another store.
#[tokio::test]
async fn a_copy_gets_an_id_of_its_own() {
    let (one, other) = (store(&many(20)).await, store(&many(20)).await);
    let id = one.store_record().await.unwrap().id.unwrap();
    let expected = other.store_record().await.unwrap().id.unwrap();
    other.update_store_record(StoreUpdate::Id { expected, id }).await.unwrap();
    let (source, target) = (renamed(&one, "a"), renamed(&other, "b"));
    let (cleaning, _folder) = cleaning();
    let dry = MigrationOptions { dry_run: true, ..cleaning.clone() };
    let report = migrate(&source, &target, &schemas(&["machines"]), &dry, &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::DryRunPartly, "a dry run cannot say");
    assert!(report.warnings.iter().any(|text| text.contains("two stores")), "{report:?}");
    assert_eq!(other.store_record().await.unwrap().id, Some(id));
    migrate(&source, &target, &schemas(&["machines"]), &cleaning, &Silent).await.unwrap();
    assert_eq!(one.store_record().await.unwrap().id, Some(id));
    let own = other.store_record().await.unwrap().id;
    assert!(own.is_some() && own != Some(id));
}

/// Whoever cleans up without a migration of this library is refused as well.
#[tokio::test]
async fn cleaning_up_asks_for_itself() {
    let (one, other) = (store(&many(20)).await, empty());
    let (source, target) = (renamed(&one, "a"), renamed(&other, "b"));
    let done =
        migrate(&source, &target, &schemas(&["machines"]), &options(), &Silent).await.unwrap();
    let proof = done.verified().unwrap();
    // Now the name of the target leads to the source.
    let target = renamed(&one, "b");
    let how = CleanUpOptions {
        batch_size: options().batch_size,
        workers: options().workers,
        rate_limit: None,
        patience: std::time::Duration::ZERO,
        upgrades: None,
    };
    let before = contents(&one, "machines").await;
    let error = clean_up(&source, &target, &proof, &how, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
    assert_eq!(contents(&one, "machines").await, before);
    assert_eq!(migration(&one).await, None);
}

/// What another run puts in the place of the mark decides nothing.
#[tokio::test]
async fn a_mark_that_is_replaced_meanwhile_decides_nothing() {
    let one = store(&many(5)).await;
    let (source, target) = (renamed(&one, "a"), renamed(&one, "b"));
    let (cleaning, _folder) = cleaning();
    let schemas = schemas(&["machines"]);
    let runs = (0..16).map(|_| migrate(&source, &target, &schemas, &cleaning, &Silent));
    for run in futures::future::join_all(runs).await {
        let kind = run.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::ConfigInvalid | ErrorKind::Locked), "{kind:?}");
    }
    assert_eq!(contents(&one, "machines").await.len(), 5);
}

/// A handle that remembers an older state of the store still sees the mark.
#[tokio::test]
async fn a_stale_handle_is_asked_afresh() {
    let one = store(&many(5)).await;
    let remembered = one.store_record().await.unwrap();
    let stale = Probe {
        renamed: Some("a".to_owned()),
        remembered: Some(remembered),
        ..Probe::new(Arc::clone(&one))
    };
    let (source, target): (Store, Store) = (Arc::new(stale), renamed(&one, "b"));
    let (cleaning, _folder) = cleaning();
    let run = migrate(&source, &target, &schemas(&["machines"]), &cleaning, &Silent).await;
    assert_eq!(run.unwrap_err().kind(), ErrorKind::ConfigInvalid);
}

/// Two names that the memory strategy itself can tell apart.
#[tokio::test]
async fn handles_that_share_are_one_store() {
    let memory = MemoryStrategy::new(OpenOptions::default());
    let (a, b): (Store, Store) = (Arc::new(memory.share(OpenOptions::default())), Arc::new(memory));
    let compared = |a: &repo_core::strategy::PhysicalIdentity, b| a.compare(b);
    let (ours, theirs) =
        (a.physical_identity().await.unwrap(), b.physical_identity().await.unwrap());
    assert_eq!(compared(&ours.unwrap(), &theirs.unwrap()), repo_core::strategy::Sameness::Same);
}
