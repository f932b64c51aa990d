//! Histories over a checkpoint whose process ends at any step.

use std::sync::{Arc, Mutex};

use repo_core::strategy::{OlderState, OlderVersion, StorageStrategy as _};

use super::feed_crash::copy_of;
use super::history::{added, clear, files, is_sound, keeping, older, remove, write};
use super::{Fixture, delete, failing_at, layouts, save};
use crate::hooks::{Hooks, Step};
use crate::strategy::JsonStrategy;

const STEPS: [Step; 8] = [
    Step::HistoryWritten,
    Step::FilesWritten,
    Step::BackedUp,
    Step::FramePublished,
    Step::Renamed,
    Step::AllRenamed,
    Step::JournalWritten,
    Step::Finished,
];

/// A store with a history in several files, some of it in the journal, and changes of
/// both.
async fn changed(fixture: &Fixture) {
    let store = keeping(fixture).await;
    for n in 1..=12 {
        save(&store, "machines", "a", n).await;
        save(&store, "machines", &format!("m-{n}"), n).await;
        if n % 4 == 0 {
            store.checkpoint().await.unwrap();
        }
    }
    delete(&store, "machines", "a").await;
    write(&store, vec![remove("a", 2), clear("a", 3), remove("a", 11), added("b", 7)]).await;
    drop(store);
}

const IDS: [&str; 4] = ["a", "b", "m-1", "none"];

async fn all_older(store: &JsonStrategy) -> Vec<Vec<OlderVersion>> {
    let mut all = Vec::new();
    for id in IDS {
        all.push(older(store, id).await);
    }
    all
}

fn assert_expected(found: &[Vec<OlderVersion>], at: &str) {
    let numbers = super::history::numbers(&found[0]);
    assert_eq!(numbers, [12, 10, 9, 8, 7, 6, 5, 4, 3, 1], "{at}");
    assert_eq!(found[0][8].state, OlderState::Removed, "{at}");
    assert_eq!(super::history::numbers(&found[1]), [7], "{at}");
    assert_eq!((found[2].len(), found[3].len()), (0, 0), "{at}");
}

#[tokio::test]
async fn every_step_of_a_checkpoint_may_be_the_last() {
    for step in STEPS {
        for fixture in layouts() {
            changed(&fixture).await;
            let store = fixture.try_open(&fixture.path(), false, failing_at(step)).unwrap();
            let expected = all_older(&store).await;
            assert_expected(&expected, "before");
            store.checkpoint().await.unwrap_err();
            drop(store);
            let reader = fixture.open_read_only();
            assert_eq!(all_older(&reader).await, expected, "{step:?}: before it is finished");
            let store = fixture.open();
            assert_eq!(all_older(&store).await, expected, "{step:?}");
            assert_eq!(all_older(&reader).await, expected, "{step:?}: the reader follows");
            store.checkpoint().await.unwrap();
            assert_eq!(all_older(&store).await, expected, "{step:?}: after the next one");
            assert!(is_sound(&store, true).await, "{step:?}");
            let listed = store.store().state().history_files().count();
            assert_eq!(files(&fixture).len(), listed, "{step:?}: nothing is left over");
            store.close().await.unwrap();
        }
    }
}

/// As a copy of the folder at that moment has it.
#[tokio::test]
async fn a_copy_of_the_folder_at_any_step_has_the_whole_history() {
    let copies: Arc<Mutex<Vec<(Step, tempfile::TempDir)>>> = Arc::default();
    let fixture = Fixture::split();
    changed(&fixture).await;
    let (seen, folder) = (Arc::clone(&copies), fixture.path());
    let at = move |step| {
        seen.lock().unwrap().push((step, copy_of(&folder)));
        Ok(())
    };
    let hooks = Hooks { at: Some(Arc::new(at)), ..Hooks::default() };
    let store = fixture.try_open(&fixture.path(), false, hooks).unwrap();
    let expected = all_older(&store).await;
    copies.lock().unwrap().clear();
    store.checkpoint().await.unwrap();
    let copies = std::mem::take(&mut *copies.lock().unwrap());
    for step in STEPS {
        assert!(copies.iter().any(|(seen, _)| *seen == step), "{step:?}");
    }
    for (step, folder) in copies {
        let open = |read_only| fixture.try_open(folder.path(), read_only, Hooks::default());
        assert_eq!(all_older(&open(true).unwrap()).await, expected, "{step:?}: read-only");
        let store = open(false).unwrap();
        assert_eq!(all_older(&store).await, expected, "{step:?}");
        save(&store, "machines", "b", 1).await;
        store.close().await.unwrap();
        assert_eq!(all_older(&open(true).unwrap()).await, expected, "{step:?}, closed");
    }
}

/// What a handle has open it can read, whatever another one merges and removes.
#[tokio::test]
async fn a_handle_follows_the_checkpoints_of_another() {
    let fixture = Fixture::single();
    let store = keeping(&fixture).await;
    let (reader, writer) = (fixture.open_read_only(), fixture.open());
    for n in 1..=30 {
        save(&store, "machines", "a", n).await;
        if n % 3 == 0 {
            store.checkpoint().await.unwrap();
        }
        let expected: Vec<u64> = (1..n).rev().collect();
        for handle in [&reader, &writer, &store] {
            assert_eq!(super::history::numbers(&older(handle, "a").await), expected);
        }
    }
    let (files, documents) = {
        let store = reader.store();
        let state = store.state();
        let found = &state.collections[&super::name("machines")];
        (files(&fixture), found.history.as_ref().unwrap().files.len())
    };
    assert_eq!(files.len(), documents);
}
