//! Histories of data files that another tool changed.

use repo_core::strategy::{OlderState, OlderVersion, StorageStrategy as _};
use serde_json::json;

use super::history::{files, is_sound, keeping, numbers, older, set_history};
use super::{Fixture, delete, document, save};
use crate::hooks::{Hooks, Step};
use crate::resolve::{Keep, resolve};
use crate::strategy::JsonStrategy;

fn states(versions: &[OlderVersion]) -> Vec<(u64, &'static str)> {
    let state = |older: &OlderVersion| match &older.state {
        OlderState::Live { .. } => "live",
        OlderState::Deleted => "deleted",
        OlderState::Removed => "removed",
    };
    versions.iter().map(|older| (older.version.get(), state(older))).collect()
}

/// `a` has two versions, `b` is deleted, `c` and `d` have one; all in the files.
async fn written(fixture: &Fixture) -> JsonStrategy {
    let store = keeping(fixture).await;
    for id in ["a", "b", "c", "d"] {
        save(&store, "machines", id, 1).await;
    }
    save(&store, "machines", "a", 2).await;
    delete(&store, "machines", "b").await;
    store.checkpoint().await.unwrap();
    store
}

/// Changes `a`, adds `b` again, removes `c`, leaves `d`.
fn edit(fixture: &Fixture) {
    let mut whole = fixture.json("request_database.json");
    whole["machines"]["a"]["n"] = json!(70);
    whole["machines"]["b"] = json!({ "id": "b", "n": 71 });
    whole["machines"].as_object_mut().unwrap().remove("c");
    fixture.write("request_database.json", &whole.to_string());
}

async fn check(store: &JsonStrategy, at: &str) {
    let expected = [
        ("a", vec![(2, "removed"), (1, "live")]),
        ("b", vec![(2, "deleted"), (1, "live")]),
        ("c", vec![(1, "removed")]),
        ("d", vec![]),
    ];
    for (id, expected) in expected {
        assert_eq!(states(&older(store, id).await), expected, "{at}: {id}");
    }
}

/// That a version was there is known still, and when; its document is not made up.
#[tokio::test]
async fn what_an_edit_replaces_leaves_a_mark() {
    for is_open in [true, false] {
        let fixture = Fixture::single();
        let store = written(&fixture).await;
        let keeper =
            if is_open { Some(store) } else { store.close().await.map(|()| None).unwrap() };
        edit(&fixture);
        check(&fixture.open_read_only(), "read-only").await;
        let store = keeper.unwrap_or_else(|| fixture.open());
        check(&store, "taken in").await;
        save(&store, "machines", "d", 3).await;
        save(&store, "machines", "d", 4).await;
        store.checkpoint().await.unwrap();
        let kept = older(&store, "d").await;
        assert_eq!(states(&kept), [(2, "live"), (1, "live")]);
        assert!(is_sound(&store, true).await);
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn every_step_of_taking_in_an_edit_may_be_the_last() {
    for step in [
        Step::HistoryWritten,
        Step::FilesWritten,
        Step::FramePublished,
        Step::Renamed,
        Step::AllRenamed,
        Step::JournalWritten,
        Step::Finished,
    ] {
        let fixture = Fixture::single();
        written(&fixture).await.close().await.unwrap();
        edit(&fixture);
        let at = move |at| match at == step {
            true => Err(std::io::Error::other("off")),
            false => Ok(()),
        };
        let hooks = Hooks { at: Some(std::sync::Arc::new(at)), ..Hooks::default() };
        fixture.try_open(&fixture.path(), false, hooks).unwrap_err();
        check(&fixture.open_read_only(), &format!("{step:?}: read-only")).await;
        let store = fixture.open();
        check(&store, &format!("{step:?}")).await;
        store.checkpoint().await.unwrap();
        assert_eq!(files(&fixture).len(), store.store().state().history_files().count());
    }
}

/// What stood in the edited file cannot be read, what stood in the journal can.
#[tokio::test]
async fn a_resolution_keeps_what_it_can_read() {
    for keep in [Keep::File, Keep::Journal] {
        let fixture = Fixture::single();
        let store = written(&fixture).await;
        save(&store, "machines", "a", 3).await;
        save(&store, "machines", "a", 4).await;
        save(&store, "machines", "e", 1).await;
        save(&store, "machines", "e", 2).await;
        drop(store);
        edit(&fixture);
        let settings = fixture.settings(&fixture.path());
        assert!(resolve(&settings, fixture.options(false), keep).await.unwrap().needed);
        let store = fixture.open();
        let a = older(&store, "a").await;
        let by_both = [(3, "live"), (2, "removed"), (1, "live")];
        match keep {
            // The file made a version 5 of it, and deleted `e`.
            Keep::File => {
                assert_eq!(states(&a), [&[(4, "live")], &by_both[..]].concat());
                assert_eq!(states(&older(&store, "e").await), [(2, "live"), (1, "live")]);
            }
            Keep::Journal => {
                assert_eq!(states(&a), by_both);
                assert_eq!(states(&older(&store, "e").await), [(1, "live")]);
            }
        }
        let documents: Vec<_> = a
            .iter()
            .filter_map(|older| match &older.state {
                OlderState::Live { document, .. } => Some((older.version.get(), document.clone())),
                _ => None,
            })
            .collect();
        for (version, found) in documents {
            assert!(found.equals(&document("a", version)), "{version}");
        }
        assert_eq!(states(&older(&store, "c").await), [(1, "removed")]);
        assert!(is_sound(&store, true).await);
    }
}

/// A collection that keeps none loses nothing and gains nothing.
#[tokio::test]
async fn an_edit_without_a_history_leaves_none() {
    let fixture = Fixture::single();
    let store = written(&fixture).await;
    set_history(&store, None).await;
    store.close().await.unwrap();
    edit(&fixture);
    let store = fixture.open();
    set_history(&store, Some(repo_core::strategy::HistoryState::new(super::history::at(0)))).await;
    for id in ["a", "b", "c", "d"] {
        assert_eq!(numbers(&older(&store, id).await), [0; 0], "{id}");
    }
}
