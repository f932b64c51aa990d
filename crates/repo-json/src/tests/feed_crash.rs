//! The change feed over a checkpoint whose process ends at any step.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use repo_core::strategy::{FeedPosition, StorageStrategy as _};
use serde_json::json;

use super::feed::{changes, hold};
use super::{Fixture, delete, failing_at, layouts, save};
use crate::hooks::{Hooks, Step};
use crate::strategy::JsonStrategy;

pub(super) const STEPS: [Step; 8] = [
    Step::FilesWritten,
    Step::BackedUp,
    Step::FramePublished,
    Step::Renamed,
    Step::AllRenamed,
    Step::Kept,
    Step::JournalWritten,
    Step::Finished,
];

/// A store that captures, with two journals kept and changes in the third.
async fn captured(fixture: &Fixture) -> FeedPosition {
    let store = fixture.prepared().await;
    save(&store, "machines", "before", 1).await;
    hold(&store).await;
    let begin = store.head().await.unwrap();
    for n in 0..2 {
        save(&store, "machines", "a", n).await;
        save(&store, "requests", "r", n).await;
        store.checkpoint().await.unwrap();
    }
    delete(&store, "machines", "a").await;
    drop(store);
    begin
}

/// Goes through the same positions page by page, whatever their size.
async fn check(store: &JsonStrategy, begin: &FeedPosition, expected: &[(String, u64)], at: &str) {
    for page in [1, 2, 100] {
        assert_eq!(changes(store, begin, page).await, expected, "{at}: pages of {page}");
    }
}

fn expected(more: &[(&str, u64)]) -> Vec<(String, u64)> {
    let first = [("a", 1), ("r", 1), ("a", 2), ("r", 2), ("a", 3)];
    first.iter().chain(more).map(|(id, version)| ((*id).to_owned(), *version)).collect()
}

#[tokio::test]
async fn every_step_of_a_checkpoint_may_be_the_last() {
    for step in STEPS {
        for fixture in layouts() {
            let begin = captured(&fixture).await;
            let store = fixture.try_open(&fixture.path(), false, failing_at(step)).unwrap();
            save(&store, "machines", "b", 1).await;
            store.checkpoint().await.unwrap_err();
            drop(store);
            let reader = fixture.open_read_only();
            assert_eq!(super::all(&reader).await.len(), 4, "{step:?}: before it is finished");
            let store = fixture.open();
            check(&store, &begin, &expected(&[("b", 1)]), &format!("{step:?}")).await;
            save(&store, "machines", "b", 2).await;
            store.checkpoint().await.unwrap();
            check(&store, &begin, &expected(&[("b", 1), ("b", 2)]), &format!("{step:?}")).await;
            store.close().await.unwrap();
        }
    }
}

/// As a copy of the folder at that moment has it: without second names.
#[tokio::test]
async fn a_copy_of_the_folder_at_any_step_has_the_whole_feed() {
    let copies: Arc<Mutex<Vec<(Step, tempfile::TempDir)>>> = Arc::default();
    let fixture = Fixture::split();
    let begin = captured(&fixture).await;
    let (seen, folder) = (Arc::clone(&copies), fixture.path());
    let at = move |step| {
        seen.lock().unwrap().push((step, copy_of(&folder)));
        Ok(())
    };
    let hooks = Hooks { at: Some(Arc::new(at)), ..Hooks::default() };
    let store = fixture.try_open(&fixture.path(), false, hooks).unwrap();
    save(&store, "machines", "b", 1).await;
    copies.lock().unwrap().clear();
    store.checkpoint().await.unwrap();
    let copies = std::mem::take(&mut *copies.lock().unwrap());
    for step in STEPS {
        assert!(copies.iter().any(|(seen, _)| *seen == step), "{step:?}");
    }
    for (step, folder) in copies {
        let store = fixture.try_open(folder.path(), false, Hooks::default()).unwrap();
        check(&store, &begin, &expected(&[("b", 1)]), &format!("{step:?}")).await;
        store.close().await.unwrap();
        let store = fixture.try_open(folder.path(), false, Hooks::default()).unwrap();
        check(&store, &begin, &expected(&[("b", 1)]), &format!("{step:?}, closed")).await;
    }
}

pub(super) fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_into(folder, copy.path());
    copy
}

pub(super) fn copy_into(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy_into(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

/// The versions that an edit is given and its changes come together or not at all.
#[tokio::test]
async fn every_step_of_taking_in_an_edit_may_be_the_last() {
    for step in STEPS {
        let fixture = Fixture::single();
        let begin = captured(&fixture).await;
        fixture.open().close().await.unwrap();
        let mut whole = fixture.json("request_database.json");
        whole["machines"]["before"]["n"] = json!(7);
        whole["requests"] = json!({});
        whole["machines"]["a"] = json!({ "id": "a" });
        fixture.write("request_database.json", &whole.to_string());
        fixture.try_open(&fixture.path(), false, failing_at(step)).unwrap_err();
        let store = fixture.open();
        let edits = expected(&[("a", 4), ("before", 2), ("r", 3)]);
        check(&store, &begin, &edits, &format!("{step:?}")).await;
        save(&store, "machines", "b", 1).await;
        let all = expected(&[("a", 4), ("before", 2), ("r", 3), ("b", 1)]);
        check(&store, &begin, &all, &format!("{step:?}")).await;
        store.close().await.unwrap();
        check(&fixture.open(), &begin, &all, &format!("{step:?}, closed")).await;
    }
}
