//! `resolve`: an operator decides between an edited file and the journal.

use repo_core::ErrorKind;
use repo_core::strategy::StorageStrategy as _;
use serde_json::json;

use super::{Fixture, all, delete, failing_at, save, snapshot};
use crate::hooks::{Hooks, Step};
use crate::resolve::{Keep, Resolved, resolve};
use std::sync::Arc;

/// In the file: a, b, c. In the journal: a changed, b deleted, d added. Then
/// another tool changes a and c, and adds e.
async fn edited(fixture: &Fixture, file: &str, wrapped: bool) {
    let store = fixture.prepared().await;
    for id in ["a", "b", "c"] {
        save(&store, "machines", id, 1).await;
    }
    store.checkpoint().await.unwrap();
    save(&store, "machines", "a", 2).await;
    delete(&store, "machines", "b").await;
    save(&store, "machines", "d", 2).await;
    drop(store);
    let mut whole = fixture.json(file);
    let machines = if wrapped { &mut whole["machines"] } else { &mut whole };
    machines["a"]["n"] = json!(70);
    machines["c"]["n"] = json!(71);
    machines["e"] = json!({ "id": "e", "n": 72 });
    fixture.write(file, &whole.to_string());
}

async fn run(fixture: &Fixture, keep: Keep) -> Resolved {
    assert_eq!(fixture.refused().kind(), ErrorKind::Corrupt);
    let settings = fixture.settings(&fixture.path());
    let resolved = resolve(&settings, fixture.options(false), keep).await.unwrap();
    assert!(resolved.needed);
    assert!(resolved.copies.iter().all(|copy| copy.exists()));
    let again = resolve(&settings, fixture.options(false), keep).await.unwrap();
    assert_eq!(again, Resolved::default(), "once is enough");
    resolved
}

/// Version and `n` of each machine.
async fn machines(fixture: &Fixture) -> Vec<(String, u64, Option<u64>)> {
    let reader = all(&fixture.open_read_only()).await;
    let store = fixture.open();
    assert_eq!(all(&store).await, reader);
    save(&store, "machines", "later", 1).await;
    store.close().await.unwrap();
    let n = |document: Option<serde_json::Value>| document.map(|d| d["n"].as_u64().unwrap());
    reader.into_iter().map(|(key, (v, d))| (key.replace("machines/", ""), v, n(d))).collect()
}

fn cases() -> [(Fixture, &'static str, bool); 2] {
    [(Fixture::single(), "request_database.json", true), (Fixture::split(), "machines.json", false)]
}

#[tokio::test]
async fn the_file_may_be_right() {
    for (fixture, file, wrapped) in cases() {
        edited(&fixture, file, wrapped).await;
        let before = fixture.read(file);
        let resolved = run(&fixture, Keep::File).await;
        assert_eq!(fixture.read(file), before, "the file stays as it is");
        assert_eq!((resolved.changed, resolved.added, resolved.removed), (2, 2, 1));
        let expected = [
            ("a", 3, Some(70)),
            ("b", 3, Some(1)),
            ("c", 2, Some(71)),
            ("d", 2, None),
            ("e", 1, Some(72)),
        ];
        assert_eq!(machines(&fixture).await, expected.map(|(k, v, n)| (k.to_owned(), v, n)));
    }
}

#[tokio::test]
async fn the_journal_may_be_right() {
    for (fixture, file, wrapped) in cases() {
        edited(&fixture, file, wrapped).await;
        let resolved = run(&fixture, Keep::Journal).await;
        assert_eq!((resolved.changed, resolved.added, resolved.kept), (1, 1, 3));
        assert_eq!(resolved.copies.len(), 2, "the journal and the edited file");
        let expected = [
            ("a", 2, Some(2)),
            ("b", 2, None),
            ("c", 2, Some(71)),
            ("d", 1, Some(2)),
            ("e", 1, Some(72)),
        ];
        assert_eq!(machines(&fixture).await, expected.map(|(k, v, n)| (k.to_owned(), v, n)));
        let written = fixture.json(file);
        let machines = if wrapped { &written["machines"] } else { &written };
        assert_eq!(machines["a"]["n"], 2, "the data file is written anew");
    }
}

#[tokio::test]
async fn a_damaged_frame_is_given_up_with_what_follows() {
    for (keep, expected) in [(Keep::Journal, 2), (Keep::File, 1)] {
        let fixture = Fixture::single();
        let store = fixture.prepared().await;
        save(&store, "machines", "a", 1).await;
        store.checkpoint().await.unwrap();
        save(&store, "machines", "b", 1).await;
        let good = std::fs::metadata(fixture.file(".journal")).unwrap().len();
        save(&store, "machines", "c", 1).await;
        save(&store, "machines", "d", 1).await;
        drop(store);
        let mut files = snapshot(&fixture.path());
        files.get_mut(".journal").unwrap()[usize::try_from(good).unwrap() + 30] ^= 1;
        std::fs::write(fixture.file(".journal"), &files[".journal"]).unwrap();
        run(&fixture, keep).await;
        let live = machines(&fixture).await.iter().filter(|(_, _, n)| n.is_some()).count();
        assert_eq!(live, expected, "{keep:?}");
    }
}

#[tokio::test]
async fn without_meta_only_the_files_are_left() {
    for broken in [".meta", ".journal"] {
        let fixture = Fixture::single();
        let store = fixture.prepared().await;
        save(&store, "machines", "a", 1).await;
        store.checkpoint().await.unwrap();
        save(&store, "machines", "b", 1).await;
        drop(store);
        std::fs::write(fixture.file(broken), "rubbish").unwrap();
        let settings = fixture.settings(&fixture.path());
        let error = resolve(&settings, fixture.options(false), Keep::Journal).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{broken}");
        run(&fixture, Keep::File).await;
        assert_eq!(machines(&fixture).await[0], ("a".to_owned(), 1, Some(1)));
    }
}

#[tokio::test]
async fn nothing_to_decide_changes_nothing() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    let before = snapshot(&fixture.path());
    let settings = fixture.settings(&fixture.path());
    let resolved = resolve(&settings, fixture.options(false), Keep::File).await.unwrap();
    assert_eq!(resolved, Resolved::default());
    assert_eq!(snapshot(&fixture.path()), before);
}

#[tokio::test]
async fn a_journal_that_does_not_belong_to_meta_is_never_dropped_silently() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    save(&store, "machines", "k1", 1).await;
    store.checkpoint().await.unwrap();
    let older = std::fs::read(fixture.file(".meta")).unwrap();
    save(&store, "machines", "k2", 1).await;
    store.checkpoint().await.unwrap();
    save(&store, "machines", "k3", 1).await;
    drop(store);
    std::fs::write(fixture.file(".meta"), older).unwrap();
    let journal = std::fs::read(fixture.file(".journal")).unwrap();
    let settings = fixture.settings(&fixture.path());
    let error = resolve(&settings, fixture.options(false), Keep::Journal).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("does not belong to .meta"), "{error}");
    assert_eq!(std::fs::read(fixture.file(".journal")).unwrap(), journal);
    std::fs::remove_file(fixture.file(".journal")).unwrap();
    let error = resolve(&settings, fixture.options(false), Keep::Journal).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "there is no journal to keep");
}

/// In the file: a, b. In the journal: a changed, c added, and a checkpoint
/// that was broken off. Then another tool changes b.
async fn broken_off(step: Step) -> Fixture {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    save(&store, "machines", "b", 1).await;
    store.close().await.unwrap();
    let store = fixture.try_open(&fixture.path(), false, failing_at(step)).unwrap();
    save(&store, "machines", "a", 2).await;
    save(&store, "machines", "c", 2).await;
    store.checkpoint().await.unwrap_err();
    drop(store);
    let file = "request_database.json";
    let mut whole = fixture.json(file);
    whole["machines"]["b"]["n"] = json!(70);
    fixture.write(file, &whole.to_string());
    fixture
}

async fn live(fixture: &Fixture) -> Vec<(String, Option<u64>)> {
    machines(fixture).await.into_iter().map(|(id, _, n)| (id, n)).collect()
}

fn with(found: &[(&str, Option<u64>)]) -> Vec<(String, Option<u64>)> {
    found.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect()
}

#[tokio::test]
async fn a_broken_off_checkpoint_leaves_both_decisions_open() {
    for keep in [Keep::File, Keep::Journal] {
        let fixture = broken_off(Step::FramePublished).await;
        run(&fixture, keep).await;
        let expected = match keep {
            Keep::File => with(&[("a", Some(1)), ("b", Some(70)), ("c", None)]),
            Keep::Journal => with(&[("a", Some(2)), ("b", Some(1)), ("c", Some(2))]),
        };
        assert_eq!(live(&fixture).await, expected, "{keep:?}");
    }
}

#[tokio::test]
async fn a_new_meta_that_is_damaged_does_not_stand_in_the_way() {
    for (keep, stale) in [(Keep::File, false), (Keep::Journal, false), (Keep::Journal, true)] {
        let fixture = broken_off(Step::FramePublished).await;
        let path = fixture.file(".meta.new");
        let mut meta =
            std::fs::read(if stale { fixture.file(".meta") } else { path.clone() }).unwrap();
        if !stale {
            meta.truncate(20);
        }
        std::fs::write(path, meta).unwrap();
        run(&fixture, keep).await;
        let expected = match keep {
            Keep::File => with(&[("a", Some(1)), ("b", Some(70)), ("c", None)]),
            Keep::Journal => with(&[("a", Some(2)), ("b", Some(70)), ("c", Some(2))]),
        };
        assert_eq!(live(&fixture).await, expected, "{keep:?}");
    }
}

#[tokio::test]
async fn a_resolution_that_is_broken_off_destroys_nothing() {
    use crate::folder::Folder;
    for step in [Step::FilesWritten, Step::BackedUp, Step::Renamed, Step::JournalWritten] {
        let fixture = broken_off(Step::FramePublished).await;
        let before = snapshot(&fixture.path());
        let settings =
            crate::config::JsonSettings::read(&fixture.settings(&fixture.path())).unwrap();
        let env = crate::env::Env::new(settings, fixture.options(false), failing_at(step));
        crate::resolve::run(&env, Keep::File).unwrap_err();
        let folder = Folder::new(&fixture.path());
        let decided = std::fs::read(folder.journal()).unwrap() != before[".journal"];
        if decided {
            // The files were chosen; opening records what was chosen.
            let found = live(&fixture).await;
            assert_eq!(found, with(&[("a", Some(1)), ("b", Some(70)), ("c", None)]), "{step:?}");
        } else {
            run(&fixture, Keep::Journal).await;
            let found = live(&fixture).await;
            assert_eq!(found, with(&[("a", Some(2)), ("b", Some(1)), ("c", Some(2))]), "{step:?}");
        }
    }
}

#[tokio::test]
async fn a_new_file_that_is_not_the_written_one_never_takes_its_place() {
    let fixture = Fixture::single();
    fixture.prepared().await.close().await.unwrap();
    let file = "request_database.json";
    let (before, beside) = (fixture.read(file), fixture.file(".request_database.json.new"));
    let at = move |step| match step {
        Step::FramePublished => std::fs::write(&beside, "{}"),
        _ => Ok(()),
    };
    let hooks = Hooks { at: Some(Arc::new(at)), ..Hooks::default() };
    let store = fixture.try_open(&fixture.path(), false, hooks).unwrap();
    save(&store, "machines", "a", 2).await;
    assert_eq!(store.checkpoint().await.unwrap_err().kind(), ErrorKind::Corrupt);
    drop(store);
    assert_eq!(fixture.read(file), before);
    run(&fixture, Keep::Journal).await;
    assert_eq!(live(&fixture).await, with(&[("a", Some(2))]));
}
