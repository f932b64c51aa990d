//! A process that ends at any step of switching compression on or off.

use super::compressed::{compress, data_files};
use super::crash::{check_copies, copies, copying};
use super::{Fixture, all, delete, failing_at, layouts, restore, save, snapshot};
use crate::hooks::{Hooks, Step};
use repo_core::strategy::StorageStrategy as _;

const STEPS: [Step; 8] = [
    Step::FilesWritten,
    Step::BackedUp,
    Step::FramePublished,
    Step::Renamed,
    Step::AllRenamed,
    Step::Removed,
    Step::JournalWritten,
    Step::Finished,
];

/// A store that is kept in the other way than the settings say now.
async fn before_the_switch(fixture: &mut Fixture, on: bool) {
    compress(fixture, !on);
    let store = fixture.prepared().await;
    for n in 0..20 {
        save(&store, "machines", &format!("m-{n}"), n).await;
    }
    save(&store, "requests", "r-1", 1).await;
    store.checkpoint().await.unwrap();
    save(&store, "machines", "m-3", 100).await;
    delete(&store, "machines", "m-4").await;
    drop(store);
    compress(fixture, on);
}

/// Whether all data files are of one kind; which of them does not matter.
fn are_alike(names: &[String]) -> bool {
    let packed = names.iter().filter(|name| name.ends_with(".zst")).count();
    !names.is_empty() && (packed == 0 || packed == names.len())
}

#[tokio::test]
async fn every_step_of_a_switch_may_be_the_last() {
    for on in [true, false] {
        for mut fixture in layouts() {
            before_the_switch(&mut fixture, on).await;
            let expected = all(&fixture.open_read_only()).await;
            let (hooks, seen) = copying(fixture.path());
            let store = fixture.try_open(&fixture.path(), false, hooks).unwrap();
            seen.lock().unwrap().clear();
            assert!(store.upgrade_layout().await.unwrap().is_some());
            assert_eq!(all(&store).await, expected);
            let steps: Vec<Step> = copies(&seen).iter().map(|(step, _)| *step).collect();
            for step in STEPS {
                assert!(steps.contains(&step), "{step:?}");
            }
            check_copies(&fixture, &seen, &expected).await;
            for (step, files) in copies(&seen) {
                let folder = restore(&files);
                let open = || fixture.try_open(folder.path(), false, Hooks::default()).unwrap();
                let names = || {
                    let names = snapshot(folder.path()).into_keys();
                    names.filter(|name| !name.starts_with('.')).collect::<Vec<_>>()
                };
                let store = open();
                save(&store, "machines", "after", 1).await;
                assert!(are_alike(&names()), "{step:?}: {:?}", names());
                store.upgrade_layout().await.unwrap();
                assert_eq!(all(&store).await.len(), expected.len() + 1, "{step:?}");
                assert!(names().iter().all(|name| name.ends_with(".zst") == on), "{step:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_error_at_any_step_of_a_switch_loses_nothing() {
    for on in [true, false] {
        for step in STEPS {
            let mut fixture = Fixture::split();
            before_the_switch(&mut fixture, on).await;
            let expected = all(&fixture.open_read_only()).await;
            let store = fixture.try_open(&fixture.path(), false, failing_at(step)).unwrap();
            store.upgrade_layout().await.unwrap_err();
            drop(store);
            assert_eq!(all(&fixture.open_read_only()).await, expected, "{step:?}");
            let store = fixture.open();
            assert_eq!(all(&store).await, expected, "{step:?}");
            store.upgrade_layout().await.unwrap();
            assert_eq!(all(&store).await, expected, "{step:?}");
            let files = data_files(&fixture);
            assert!(files.iter().all(|name| name.ends_with(".zst") == on), "{step:?}: {files:?}");
        }
    }
}

/// A file that somebody wrote anew while the switch was broken off is left.
#[tokio::test]
async fn what_was_changed_meanwhile_is_not_removed() {
    let mut fixture = Fixture::single();
    before_the_switch(&mut fixture, true).await;
    let expected = all(&fixture.open_read_only()).await;
    let store = fixture.try_open(&fixture.path(), false, failing_at(Step::AllRenamed)).unwrap();
    store.upgrade_layout().await.unwrap_err();
    drop(store);
    fixture.write("request_database.json", "{\"machines\": {}}");
    let store = fixture.open();
    assert_eq!(all(&store).await, expected);
    save(&store, "machines", "after", 1).await;
    store.close().await.unwrap();
    assert_eq!(fixture.read("request_database.json"), "{\"machines\": {}}");
    assert_eq!(all(&fixture.open_read_only()).await.len(), expected.len() + 1);
}
