//! Commits that share a sync, and syncs and writes that fail.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use futures::FutureExt as _;
use repo_core::strategy::{StorageStrategy as _, StorageStrategyExt as _};
use repo_core::{ErrorKind, Precondition, Write};

use super::{Fixture, all, document, key, save};
use crate::hooks::{Hooks, Step};
use crate::strategy::JsonStrategy;

fn hooked(at: impl Fn(Step) -> io::Result<()> + Send + Sync + 'static) -> Hooks {
    Hooks { at: Some(Arc::new(at)), ..Hooks::default() }
}

async fn open(fixture: &Fixture, hooks: &Hooks) -> JsonStrategy {
    fixture.prepared().await.close().await.unwrap();
    let store = fixture.try_open(&fixture.path(), false, hooks.clone()).unwrap();
    hooks.syncs.store(0, Ordering::SeqCst);
    store
}

#[tokio::test]
async fn a_lone_commit_is_one_sync() {
    let fixture = Fixture::single();
    let hooks = Hooks::default();
    let store = open(&fixture, &hooks).await;
    for n in 1..=20 {
        save(&store, "machines", "a", n).await;
        assert_eq!(hooks.syncs.load(Ordering::SeqCst), n);
    }
    let refused = store.create(key("machines", "a"), document("a", 1)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    store.commit(Vec::new()).await.unwrap();
    assert_eq!(hooks.syncs.load(Ordering::SeqCst), 20, "what writes nothing syncs nothing");
}

#[tokio::test]
async fn without_sync_writes_nothing_is_synced() {
    let fixture = Fixture::new(serde_json::json!({ "sync_writes": false }));
    let hooks = Hooks::default();
    let store = open(&fixture, &hooks).await;
    assert!(!store.capabilities().durable);
    save(&store, "machines", "a", 1).await;
    assert_eq!(hooks.syncs.load(Ordering::SeqCst), 0);
}

/// Holds the first sync until it is let go.
fn gate() -> (Hooks, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (reached, arrived) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let once = AtomicBool::new(false);
    let released = Mutex::new(released);
    let reached = Mutex::new(reached);
    let hooks = hooked(move |step| {
        if step == Step::SyncFrame && !once.swap(true, Ordering::SeqCst) {
            reached.lock().unwrap().send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
        Ok(())
    });
    (hooks, arrived, release)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_wait_share_one_frame_and_one_sync() {
    let fixture = Fixture::single();
    let (hooks, arrived, release) = gate();
    let store = Arc::new(open(&fixture, &hooks).await);
    let first = tokio::spawn({
        let store = Arc::clone(&store);
        async move { save(&store, "machines", "first", 1).await }
    });
    arrived.recv().unwrap();
    let mut waiting: Vec<_> = (0..63)
        .map(|n| {
            let id = format!("m-{n}");
            let write = Write::put(key("machines", &id), document(&id, n), Precondition::Absent);
            store.commit(vec![write])
        })
        .collect();
    for commit in &mut waiting {
        assert!(commit.now_or_never().is_none(), "no commit is acknowledged before its sync");
    }
    release.send(()).unwrap();
    first.await.unwrap();
    for written in futures::future::join_all(waiting).await {
        written.unwrap();
    }
    assert_eq!(hooks.syncs.load(Ordering::SeqCst), 2);
    assert_eq!(all(&store).await.len(), 64);
}

#[tokio::test]
async fn within_a_group_each_commit_sees_those_before_it() {
    let fixture = Fixture::single();
    let (hooks, arrived, release) = gate();
    let store = Arc::new(open(&fixture, &hooks).await);
    let first = tokio::spawn({
        let store = Arc::clone(&store);
        async move { save(&store, "machines", "first", 1).await }
    });
    tokio::task::spawn_blocking(move || arrived.recv().unwrap()).await.unwrap();
    let create = || {
        let write = Write::put(key("machines", "a"), document("a", 1), Precondition::Absent);
        store.commit(vec![write])
    };
    let mut waiting = vec![create(), create()];
    waiting.push(store.commit(vec![Write::delete(key("machines", "a"), Precondition::Exists)]));
    waiting.push(create());
    for commit in &mut waiting {
        assert!(commit.now_or_never().is_none());
    }
    release.send(()).unwrap();
    first.await.unwrap();
    let mut answers = Vec::new();
    for commit in waiting {
        answers.push(commit.await.map(|written| written[0].version().unwrap().get()));
    }
    assert_eq!(*answers[0].as_ref().unwrap(), 1);
    assert_eq!(answers[1].as_ref().unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(*answers[2].as_ref().unwrap(), 2);
    assert_eq!(*answers[3].as_ref().unwrap(), 3);
    assert_eq!(hooks.syncs.load(Ordering::SeqCst), 2);
    drop(store);
    assert_eq!(all(&fixture.open_read_only()).await["machines/a"].0, 3);
}

#[tokio::test]
async fn a_failed_sync_stops_the_store_until_it_is_opened_again() {
    let fixture = Fixture::single();
    let failing = Arc::new(AtomicBool::new(false));
    let hooks = hooked({
        let failing = Arc::clone(&failing);
        move |step| match step {
            Step::SyncFrame if failing.load(Ordering::SeqCst) => Err(io::Error::other("no disk")),
            _ => Ok(()),
        }
    });
    let store = open(&fixture, &hooks).await;
    save(&store, "machines", "a", 1).await;
    let before = all(&store).await;
    let other = fixture.open_read_only();
    failing.store(true, Ordering::SeqCst);
    let error = store.save(key("machines", "b"), document("b", 2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert!(error.hint_text().is_some());
    failing.store(false, Ordering::SeqCst);
    let error = store.save(key("machines", "b"), document("b", 2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(store.collections().await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(!store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
    assert_eq!(all(&other).await, before, "others never see the frame that was not synced");
    store.close().await.unwrap();
    let again = fixture.open();
    assert_eq!(all(&again).await, before);
    save(&again, "machines", "b", 2).await;
}

#[tokio::test]
async fn a_full_disk_leaves_nothing_half_written() {
    let fixture = Fixture::single();
    let full = Arc::new(AtomicBool::new(false));
    let journal = fixture.file(".journal");
    let hooks = hooked({
        let full = Arc::clone(&full);
        move |step| {
            if step != Step::AppendFrame || !full.load(Ordering::SeqCst) {
                return Ok(());
            }
            // A part of the frame made it to the file.
            let mut file = std::fs::OpenOptions::new().append(true).open(&journal)?;
            io::Write::write_all(&mut file, b"half a frame")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }
    });
    let store = open(&fixture, &hooks).await;
    save(&store, "machines", "a", 1).await;
    let length = || std::fs::metadata(fixture.file(".journal")).unwrap().len();
    let (before, was) = (all(&store).await, length());
    full.store(true, Ordering::SeqCst);
    let error = store.save(key("machines", "b"), document("b", 2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("disk is full"), "{error}");
    assert_eq!(length(), was);
    assert_eq!(all(&store).await, before);
    full.store(false, Ordering::SeqCst);
    save(&store, "machines", "b", 2).await;
    assert_eq!(all(&fixture.open_read_only()).await.len(), 2);
}

#[tokio::test]
async fn a_write_that_cannot_be_cut_back_stops_the_store() {
    let fixture = Fixture::single();
    let hooks = hooked(|step| match step {
        Step::AppendFrame | Step::CutBack => Err(io::Error::from(io::ErrorKind::StorageFull)),
        _ => Ok(()),
    });
    let store = open(&fixture, &hooks).await;
    for kind in [ErrorKind::Unavailable, ErrorKind::Closed] {
        let error = store.save(key("machines", "b"), document("b", 2)).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    assert!(!store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
    assert!(all(&fixture.open()).await.is_empty());
}

#[tokio::test]
async fn the_journal_is_written_back_when_it_outgrows_the_files() {
    let fixture = Fixture::new(serde_json::json!({ "sync_writes": false, "pretty_print": false }));
    let store = fixture.prepared().await;
    let text = "x".repeat(200_000);
    for n in 0..120_u64 {
        let id = format!("m-{}", n % 10);
        let value = serde_json::json!({ "id": id, "n": n, "text": text });
        let document = repo_core::Document::from_serialize(&value).unwrap();
        store.save(key("machines", &id), document).await.unwrap();
    }
    let journal = std::fs::metadata(fixture.file(".journal")).unwrap().len();
    assert!(journal <= 4_500_000, "{journal}");
    assert_eq!(all(&store).await["machines/m-9"].0, 12);
    assert_eq!(fixture.json("request_database.json")["machines"].as_object().unwrap().len(), 10);
}
