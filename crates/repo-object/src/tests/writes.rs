//! Commits that share an object, commits whose answer is lost, and commits of several handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use futures::future::join_all;
use repo_core::strategy::{StorageStrategy as _, StorageStrategyExt as _};
use repo_core::{ErrorKind, Precondition, Write};

use super::wire::{Act, Fate};
use super::{Fixture, all, document, key, save, text};

#[tokio::test]
async fn a_lone_commit_is_one_request() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    fixture.wire.asked();
    for n in 1..=20 {
        assert_eq!(save(&store, "a", "x").await, n);
    }
    let asked = fixture.wire.asked();
    assert_eq!(asked.len(), 20, "{asked:?}");
    assert!(asked.iter().all(|(act, name)| *act == Act::Put && name.starts_with("log/")));
}

#[tokio::test]
async fn commits_that_wait_share_one_object() {
    let fixture = Fixture::new();
    let store = Arc::new(fixture.prepared().await);
    let gate = fixture.wire.hold();
    fixture.wire.asked();
    let first = tokio::spawn({
        let store = Arc::clone(&store);
        async move { save(&store, "first", "1").await }
    });
    while fixture.wire.count(Act::Put, "log/") == 0 {
        tokio::task::yield_now().await;
    }
    let mut waiting: Vec<_> = (0..63)
        .map(|n| {
            let id = format!("m-{n}");
            let write = Write::put(key("machines", &id), document(&id, ""), Precondition::Absent);
            store.commit(vec![write])
        })
        .collect();
    for commit in &mut waiting {
        assert!(commit.now_or_never().is_none(), "no commit is acknowledged before its object");
    }
    gate.add_permits(2);
    assert_eq!(first.await.unwrap(), 1);
    for written in join_all(waiting).await {
        written.unwrap();
    }
    assert_eq!(fixture.wire.count(Act::Put, "log/"), 1, "for all that waited");
    gate.add_permits(1_000);
    assert_eq!(all(&fixture.open().await).await.len(), 64);
}

/// Each commit of a group sees those before it, and a refused one leaves the others alone.
#[tokio::test]
async fn a_group_is_decided_one_after_the_other() {
    let fixture = Fixture::new();
    let store = Arc::new(fixture.prepared().await);
    let gate = fixture.wire.hold();
    fixture.wire.asked();
    let first = tokio::spawn({
        let store = Arc::clone(&store);
        async move { save(&store, "first", "1").await }
    });
    while fixture.wire.count(Act::Put, "log/") == 0 {
        tokio::task::yield_now().await;
    }
    let create = || {
        let write = Write::put(key("machines", "a"), document("a", ""), Precondition::Absent);
        store.commit(vec![write])
    };
    let remove = Write::delete(key("machines", "a"), Precondition::Exists);
    let mut waiting = vec![create(), create(), store.commit(vec![remove]), create()];
    for commit in &mut waiting {
        assert!(commit.now_or_never().is_none());
    }
    gate.add_permits(2);
    first.await.unwrap();
    let mut answers = Vec::new();
    for answer in join_all(waiting).await {
        answers.push(answer.map(|written| written[0].version().unwrap().get()));
    }
    assert_eq!(*answers[0].as_ref().unwrap(), 1);
    assert_eq!(answers[1].as_ref().unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(*answers[2].as_ref().unwrap(), 2);
    assert_eq!(*answers[3].as_ref().unwrap(), 3);
}

/// Whatever becomes of single requests, each commit is there once, or refused and not there.
#[tokio::test]
async fn a_lost_answer_is_found_out() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    for fate in [Fate::Lost, Fate::Dropped] {
        let asked = AtomicUsize::new(0);
        fixture.wire.decide(move |act, name| {
            let first = act == Act::Put
                && name.starts_with("log/")
                && asked.fetch_add(1, Ordering::SeqCst) == 0;
            if first { fate } else { Fate::Done }
        });
        let before = save(&store, "other", "").await;
        assert_eq!(save(&store, "other", "").await, before + 1, "{fate:?}: written once");
        fixture.wire.behave();
    }
    assert_eq!(all(&fixture.open().await).await["other"].0, 4);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_found_out_is_of_unknown_outcome() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    fixture.wire.decide(|act, name| match act {
        Act::Put if name.starts_with("log/") => Fate::Lost,
        Act::Get => Fate::Dropped,
        _ => Fate::Done,
    });
    let key = key("machines", "a");
    let error = store.create(key.clone(), document("a", "")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert!(error.hint_text().is_some());
    fixture.wire.behave();
    // It was there, and the handle goes on from it.
    let again = store.create(key, document("a", "")).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    assert_eq!(save(&store, "a", "2").await, 2);
}

/// What never arrived is not there, and the next commit takes its number.
#[tokio::test(start_paused = true)]
async fn what_never_arrived_is_not_there() {
    let fixture = Fixture::new();
    let (store, other) = (fixture.prepared().await, fixture.open().await);
    fixture.wire.decide(|act, _| if act == Act::Put { Fate::Dropped } else { Fate::Done });
    let lost = store.save(key("machines", "lost"), document("lost", "")).await;
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    fixture.wire.behave();
    assert_eq!(save(&other, "a", "1").await, 1);
    assert_eq!(save(&store, "a", "2").await, 2);
    assert_eq!(all(&other).await.len(), 1);
}

/// Handles that know nothing of each other write the same key in turn: no version is given
/// twice, and none is left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_take_turns() {
    let fixture = Fixture::new();
    fixture.prepared().await;
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(Arc::new(fixture.open().await));
    }
    let writers = stores.iter().map(|store| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut versions = Vec::new();
            for n in 0..25 {
                versions.push(save(&store, "a", &n.to_string()).await);
            }
            versions
        })
    });
    let mut versions: Vec<u64> =
        join_all(writers).await.into_iter().flat_map(Result::unwrap).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=100).collect::<Vec<_>>());
    for store in &stores {
        assert!(text(store, "a").await.is_some());
    }
}
