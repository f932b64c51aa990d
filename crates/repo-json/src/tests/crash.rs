//! A process that ends at any step of a checkpoint.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use repo_core::ErrorKind;
use repo_core::strategy::StorageStrategy as _;

use super::{Fixture, all, delete, layouts, restore, save, snapshot};
use crate::hooks::{Hooks, Step};

/// The steps of a checkpoint.
const STEPS: [Step; 7] = [
    Step::FilesWritten,
    Step::BackedUp,
    Step::FramePublished,
    Step::Renamed,
    Step::AllRenamed,
    Step::JournalWritten,
    Step::Finished,
];

pub(super) type Files = BTreeMap<String, Vec<u8>>;
pub(super) type Seen = Arc<Mutex<Vec<(Step, Files)>>>;

/// Hooks that copy the folder at each step.
pub(super) fn copying(folder: PathBuf) -> (Hooks, Seen) {
    let seen: Seen = Arc::default();
    let copies = Arc::clone(&seen);
    let at = move |step| {
        copies.lock().unwrap().push((step, snapshot(&folder)));
        Ok(())
    };
    (Hooks { at: Some(Arc::new(at)), ..Hooks::default() }, seen)
}

pub(super) fn copies(seen: &Seen) -> Vec<(Step, Files)> {
    seen.lock().unwrap().clone()
}

/// Opens what a crash left: read-only first, then for writing, then again.
pub(super) async fn check_copies(
    fixture: &Fixture,
    seen: &Seen,
    expected: &BTreeMap<String, (u64, Option<serde_json::Value>)>,
) {
    for (step, files) in &copies(seen) {
        let folder = restore(files);
        let open = |read_only| fixture.try_open(folder.path(), read_only, Hooks::default());
        let reader = open(true).unwrap();
        assert_eq!(all(&reader).await, *expected, "{step:?}: read-only");
        assert_eq!(snapshot(folder.path()), *files, "{step:?}: reading changes nothing");
        let writer = open(false).unwrap();
        assert_eq!(all(&writer).await, *expected, "{step:?}: for writing");
        save(&writer, "machines", "after", 9).await;
        assert_eq!(all(&reader).await.len(), expected.len() + 1, "{step:?}: the reader follows");
        writer.close().await.unwrap();
        let again = open(true).unwrap();
        let mut now = all(&again).await;
        now.remove("machines/after").unwrap();
        assert_eq!(now, *expected, "{step:?}: after closing");
        let left: Vec<String> = snapshot(folder.path()).into_keys().collect();
        assert!(left.iter().all(|name| !name.ends_with(".new")), "{step:?}: {left:?}");
    }
}

#[tokio::test]
async fn every_step_of_a_checkpoint_may_be_the_last() {
    for fixture in layouts() {
        let store = fixture.prepared().await;
        for n in 0..20 {
            save(&store, "machines", &format!("m-{n}"), n).await;
        }
        save(&store, "requests", "r-1", 1).await;
        store.close().await.unwrap();
        let (hooks, seen) = copying(fixture.path());
        let store = fixture.try_open(&fixture.path(), false, hooks).unwrap();
        save(&store, "machines", "m-3", 100).await;
        save(&store, "machines", "m-new", 101).await;
        delete(&store, "machines", "m-4").await;
        let expected = all(&store).await;
        seen.lock().unwrap().clear();
        store.checkpoint().await.unwrap();
        assert_eq!(all(&store).await, expected);
        let steps: Vec<Step> = seen.lock().unwrap().iter().map(|(step, _)| *step).collect();
        for step in STEPS {
            assert!(steps.contains(&step), "{step:?}");
        }
        check_copies(&fixture, &seen, &expected).await;
    }
}

#[tokio::test]
async fn every_step_of_taking_over_files_may_be_the_last() {
    let fixture = Fixture::single();
    fixture.write("request_database.json", r#"{"machines": {"a": {"id": "a"}}, "requests": {}}"#);
    let expected = all(&fixture.open_read_only()).await;
    let (hooks, seen) = copying(fixture.path());
    let store = fixture.try_open(&fixture.path(), false, hooks).unwrap();
    assert_eq!(all(&store).await, expected);
    assert!(seen.lock().unwrap().len() >= 6);
    check_copies(&fixture, &seen, &expected).await;
}

#[tokio::test]
async fn every_step_of_making_a_store_may_be_the_last() {
    for fixture in layouts() {
        let (hooks, seen) = copying(fixture.path());
        let store = fixture.try_open(&fixture.path(), false, hooks).unwrap();
        let schemas: Vec<_> = super::schemas().iter().cloned().collect();
        store.prepare(&schemas).await.unwrap();
        for (step, files) in &copies(&seen) {
            let folder = restore(files);
            let again = fixture.try_open(folder.path(), false, Hooks::default()).unwrap();
            again.prepare(&schemas).await.unwrap();
            save(&again, "machines", "a", 1).await;
            again.close().await.unwrap();
            let reader = fixture.try_open(folder.path(), true, Hooks::default()).unwrap();
            assert_eq!(all(&reader).await.len(), 1, "{step:?}");
            assert_eq!(reader.collections().await.unwrap().len(), 2, "{step:?}");
        }
    }
}

#[tokio::test]
async fn an_error_at_any_step_loses_nothing() {
    for failing in STEPS {
        let fixture = Fixture::split();
        let store = fixture.prepared().await;
        save(&store, "machines", "a", 1).await;
        store.close().await.unwrap();
        let at = move |step| {
            if step == failing { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
        };
        let hooks = Hooks { at: Some(Arc::new(at)), ..Hooks::default() };
        let store = fixture.try_open(&fixture.path(), false, hooks).unwrap();
        save(&store, "machines", "b", 2).await;
        save(&store, "requests", "c", 3).await;
        let expected = all(&store).await;
        let error = store.checkpoint().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{failing:?}");
        if matches!(failing, Step::FilesWritten | Step::BackedUp) {
            assert_eq!(all(&store).await, expected, "{failing:?}: the store goes on");
            let files = snapshot(&fixture.path());
            assert!(files.keys().all(|name| !name.ends_with(".new")), "{failing:?}: tidied up");
        } else {
            let refused = store.collections().await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Closed, "{failing:?}: the store stops");
            assert!(!store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
        }
        drop(store);
        assert_eq!(all(&fixture.open_read_only()).await, expected, "{failing:?}");
        let writer = fixture.open();
        assert_eq!(all(&writer).await, expected, "{failing:?}");
        writer.close().await.unwrap();
        assert_eq!(all(&fixture.open_read_only()).await, expected, "{failing:?}");
    }
}
