//! Checkpoints: made beside commits, by several handles, broken off; and what goes with them.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::join_all;
use repo_core::strategy::{
    CaptureHolder, FeedPosition, HistoryState, OlderThan, StorageStrategy as _, StoreUpdate,
};
use repo_core::{EntityId, ErrorKind, Version};

use super::wire::{Act, Fate};
use super::{Fixture, all, delete, name, save, text};
use crate::checkpoint::{Why, make};
use crate::hex::Hex16;
use crate::strategy::ObjectStrategy;

/// A store that makes a checkpoint after so many objects.
fn every(objects: u32) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.settings.checkpoint_every = NonZeroU32::new(objects).unwrap();
    fixture
}

/// Writes, deletes and writes again; several collections' worth of history in one.
async fn work(store: &ObjectStrategy, rounds: u64) {
    for n in 0..rounds {
        save(store, &format!("m-{}", n % 7), &n.to_string()).await;
        if n % 5 == 4 {
            delete(store, &format!("m-{}", n % 7)).await;
        }
    }
}

#[tokio::test]
async fn checkpoints_are_made_when_enough_was_written() {
    let fixture = every(10);
    let store = fixture.prepared().await;
    work(&store, 100).await;
    let before = all(&store).await;
    store.close().await.unwrap();
    let made = fixture.names("checkpoint").await.len();
    assert!((2..=12).contains(&made), "{made}");
    let again = fixture.open().await;
    assert_eq!(all(&again).await, before);
    let base = again.store().state().base.clone();
    assert!(base.number > 0 && base.manifest.through + 30 > again.store().state().position);
}

/// A program that writes once and ends makes the checkpoint that is due.
#[tokio::test]
async fn closing_waits_for_the_checkpoint() {
    let fixture = every(5);
    fixture.prepared().await.close().await.unwrap();
    for n in 0..12 {
        let store = fixture.open().await;
        save(&store, "a", &n.to_string()).await;
        store.close().await.unwrap();
    }
    assert_eq!(fixture.names("checkpoint").await.len(), 2);
}

/// Runs follow each other until they outweigh the whole state, which is then written anew.
#[tokio::test]
async fn the_whole_state_is_written_when_runs_outweigh_it() {
    let mut fixture = Fixture::new();
    fixture.limits.run_bytes = 20_000;
    fixture.limits.docs_part = 3_000;
    fixture.limits.index_part = 3_000;
    let store = fixture.prepared().await;
    let mut most_runs = 0;
    let mut wholes = 0;
    for round in 0..60_u64 {
        for n in 0..5 {
            save(&store, &format!("m-{}", (round + n) % 40), &"x".repeat(100)).await;
        }
        store.checkpoint().await.unwrap();
        let manifest = Arc::clone(&store.store().state().base.manifest);
        assert!(manifest.is_sound(), "{manifest:?}");
        most_runs = most_runs.max(manifest.runs.len());
        wholes += usize::from(manifest.runs.len() == 1 && manifest.runs[0].whole);
    }
    assert!(most_runs > 3 && wholes >= 2, "{most_runs} runs, {wholes} whole states");
    assert_eq!(all(&fixture.open().await).await, all(&store).await);
}

/// What no checkpoint needs goes, and a handle that was opened before reads all of it in its
/// new place.
#[tokio::test]
async fn a_handle_follows_documents_to_their_new_places() {
    let fixture = Fixture::new().without_grace().without_cache();
    let store = fixture.prepared().await;
    work(&store, 40).await;
    let early = fixture.open().await;
    let expected = all(&early).await;
    let without_other = async |handle: &ObjectStrategy| {
        let mut found = all(handle).await;
        found.remove("other");
        found
    };
    for _ in 0..3 {
        store.checkpoint().await.unwrap();
        assert_eq!(without_other(&early).await, expected, "it has looked for the new places");
        save(&store, "other", "x").await;
        delete(&store, "other").await;
        make(store.store(), Why::Whole).await.unwrap();
        assert_eq!(fixture.names("log").await.len(), 1, "the last frame stays");
        let runs: std::collections::BTreeSet<_> =
            fixture.names("run").await.iter().filter_map(|n| crate::names::run_of(n)).collect();
        assert_eq!(runs.len(), 1);
        assert_eq!(without_other(&early).await, expected);
        assert_eq!(text(&early, "m-1").await, expected["m-1"].1);
    }
    assert_eq!(save(&early, "m-1", "new").await, expected["m-1"].0 + 1);
}

/// Wherever a checkpoint is broken off, the store is as it was, and the next one is made.
#[tokio::test(start_paused = true)]
async fn a_checkpoint_may_be_broken_off_anywhere() {
    let mut fixture = Fixture::new();
    fixture.limits.docs_part = 400;
    fixture.limits.index_part = 2_000;
    let store = fixture.prepared().await;
    work(&store, 30).await;
    let expected = all(&store).await;
    for whole in [false, true] {
        for step in 0.. {
            save(&store, "counter", &step.to_string()).await;
            let counted = AtomicUsize::new(0);
            fixture.wire.decide(move |act, name| {
                let is_step = act == Act::Put
                    && !name.starts_with("log/")
                    && counted.fetch_add(1, Ordering::SeqCst) >= step;
                if is_step { Fate::Dropped } else { Fate::Done }
            });
            let why = if whole { Why::Whole } else { Why::Asked };
            let made = make(store.store(), why).await;
            fixture.wire.behave();
            let mut now = all(&fixture.open().await).await;
            now.remove("counter");
            assert_eq!(now, expected, "broken off at step {step}");
            match made {
                Ok(()) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
            }
            assert!(step < 100, "a checkpoint of so little has no end");
        }
    }
    store.checkpoint().await.unwrap();
}

/// Of several that make a checkpoint at once, each comes through or finds it made, and none
/// names what another one has removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_make_checkpoints_at_once() {
    let fixture = every(3);
    let first = fixture.prepared().await;
    let mut stores = vec![Arc::new(first)];
    for _ in 0..3 {
        stores.push(Arc::new(fixture.open().await));
    }
    let writers = stores.iter().enumerate().map(|(at, store)| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for n in 0..30_u64 {
                save(&store, &format!("{at}-{}", n % 4), &n.to_string()).await;
                if n % 10 == 9 {
                    // Others may be faster five times.
                    if let Err(error) = store.checkpoint().await {
                        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                    }
                }
            }
        })
    });
    for writer in join_all(writers.collect::<Vec<_>>()).await {
        writer.unwrap();
    }
    let expected = all(&stores[0]).await;
    assert_eq!(expected.len(), 16);
    for store in &stores {
        assert_eq!(all(store).await, expected);
        store.close().await.unwrap();
    }
    assert_eq!(all(&fixture.open().await).await, expected);
}

/// A frame comes into a state once, whether by its own writer or by the checkpoint of another
/// handle that was faster than the answer to its writer.
#[tokio::test]
async fn a_frame_is_not_taken_twice() {
    let fixture = Fixture::new();
    let store = Arc::new(fixture.prepared().await);
    let holder = CaptureHolder::new("test", "a").unwrap();
    store.update_store_record(StoreUpdate::HoldCapture(holder)).await.unwrap();
    let begin = store.head().await.unwrap();
    let other = fixture.open().await;
    let gate = fixture.wire.hold();
    fixture.wire.decide(|act, _| if act == Act::Put { Fate::Late } else { Fate::Done });
    let saving = tokio::spawn({
        let store = Arc::clone(&store);
        async move { save(&store, "a", "1").await }
    });
    let position = store.store().state().position;
    while all(&other).await.is_empty() {
        tokio::task::yield_now().await;
    }
    other.checkpoint().await.unwrap();
    assert_eq!(store.store().state().position, position, "it knows of nothing yet");
    assert!(store.store().relocate().await.unwrap());
    assert_eq!(store.store().state().position, position + 1);
    gate.add_permits(100);
    assert_eq!(saving.await.unwrap(), 1);
    fixture.wire.behave();
    assert_eq!(store.store().state().position, position + 1);
    assert_eq!(ids_after(&store, Some(&begin), 10).await, ["a"]);
    assert_eq!(save(&store, "a", "2").await, 2);
}

/// A handle that takes a checkpoint, and commits more before it has read all of that, keeps what
/// it has: its state never goes back.
#[tokio::test]
async fn a_state_never_goes_back() {
    let fixture = Fixture::new();
    let store = Arc::new(fixture.prepared().await);
    let other = fixture.open().await;
    let position = store.store().state().position;
    let answers = fixture.wire.hold();
    fixture.wire.decide(|act, _| if act == Act::Put { Fate::Late } else { Fate::Done });
    let saving = tokio::spawn({
        let store = Arc::clone(&store);
        async move { save(&store, "a", "1").await }
    });
    while all(&other).await.is_empty() {
        tokio::task::yield_now().await;
    }
    fixture.wire.behave();
    make(other.store(), Why::Whole).await.unwrap();
    let runs = fixture.wire.hold_of(Act::Get, "run/");
    fixture.wire.asked();
    let taking = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.store().relocate().await }
    });
    while fixture.wire.count(Act::Get, "run/") == 0 {
        tokio::task::yield_now().await;
    }
    answers.add_permits(1_000);
    assert_eq!(saving.await.unwrap(), 1);
    assert_eq!(save(&store, "b", "1").await, 1);
    runs.add_permits(1_000);
    assert!(taking.await.unwrap().unwrap());
    assert_eq!(store.store().state().position, position + 2);
    assert_eq!(store.store().state().base.number, other.store().state().base.number);
    assert_eq!(all(&store).await, all(&fixture.open().await).await);
}

/// What no checkpoint needs is looked for with every sixteenth one.
#[tokio::test]
async fn old_objects_go_with_every_sixteenth_checkpoint() {
    let fixture = every(2).without_grace();
    let store = fixture.prepared().await;
    let mut written = 0;
    while store.store().state().base.number < 16 {
        save(&store, "a", &written.to_string()).await;
        written += 1;
        assert!(written < 1_000, "checkpoints are made all the time");
    }
    store.close().await.unwrap();
    let left = fixture.names("checkpoint").await.len();
    assert!(left < 16, "{left} checkpoints");
    assert!((fixture.names("log").await.len() as u64) < written, "frames too");
    assert_eq!(all(&fixture.open().await).await["a"].0, written);
}

/// What other handles left when they were killed in the middle of a checkpoint goes with the
/// next one; what they are making for the one after that stays.
#[tokio::test]
async fn what_was_left_half_made_goes() {
    let fixture = Fixture::new().without_grace();
    let store = fixture.prepared().await;
    save(&store, "a", "1").await;
    let at = store.store().state().base.number;
    let left = crate::names::docs(Hex16::for_checkpoint(at + 1).unwrap(), 0);
    let begun = crate::names::docs(Hex16::for_checkpoint(at + 2).unwrap(), 0);
    for name in [&left, &begun] {
        fixture.objects().create(name, Bytes::from_static(b"half")).await.unwrap();
    }
    store.checkpoint().await.unwrap();
    let names = fixture.names("run").await;
    assert!(!names.contains(&left) && names.contains(&begun), "{names:?}");
}

/// The feed is whole over runs, whole states, and removed frames; positions stay good.
#[tokio::test]
async fn changes_outlive_the_objects_that_held_them() {
    let mut fixture = Fixture::new().without_grace();
    fixture.limits.index_part = 600;
    let store = fixture.prepared().await;
    let holder = CaptureHolder::new("test", "a").unwrap();
    save(&store, "before", "").await;
    store.update_store_record(StoreUpdate::HoldCapture(holder.clone())).await.unwrap();
    let begin = store.head().await.unwrap();
    for round in 0..6_u64 {
        for n in 0..9 {
            save(&store, &format!("m-{n}"), &round.to_string()).await;
        }
        let why = match round {
            0 | 3 => Why::Whole,
            _ => Why::Asked,
        };
        make(store.store(), why).await.unwrap();
    }
    save(&store, "after", "").await;
    let expected: Vec<String> =
        (0..6).flat_map(|_| (0..9).map(|n| format!("m-{n}"))).chain(["after".to_owned()]).collect();
    for handle in [&store, &fixture.open().await] {
        for page in [1, 4, 1_000] {
            assert_eq!(ids_after(handle, Some(&begin), page).await, expected, "pages of {page}");
        }
        // A page goes over the ends of objects until it is full.
        for most in [1, 9, 10, 31, 55, 1_000] {
            let (_, ids) = page_after(handle, Some(&begin), most).await;
            assert_eq!(ids, expected[..most.min(expected.len())], "a page of {most}");
        }
    }
    let (middle, _) = page_after(&store, Some(&begin), 20).await;
    store.trim_changes(&middle).await.unwrap();
    make(store.store(), Why::Whole).await.unwrap();
    let other = fixture.open().await;
    assert_eq!(ids_after(&other, Some(&middle), 7).await, expected[20..]);
    let expired = other.changes(Some(&begin), NonZeroUsize::MIN).await.unwrap_err();
    assert_eq!(expired.kind(), ErrorKind::FeedExpired);
    store.update_store_record(StoreUpdate::ReleaseCapture(holder)).await.unwrap();
    make(store.store(), Why::Whole).await.unwrap();
    assert_eq!(store.store().state().base.manifest.feed, []);
}

async fn page_after(
    store: &ObjectStrategy,
    after: Option<&FeedPosition>,
    most: usize,
) -> (FeedPosition, Vec<String>) {
    let page = store.changes(after, NonZeroUsize::new(most).unwrap()).await.unwrap();
    (page.next, page.changes.into_iter().map(|change| change.key.id.to_string()).collect())
}

async fn ids_after(
    store: &ObjectStrategy,
    after: Option<&FeedPosition>,
    most: usize,
) -> Vec<String> {
    let (mut all, mut at) = (Vec::new(), after.cloned());
    loop {
        let (next, ids) = page_after(store, at.as_ref(), most).await;
        if ids.is_empty() {
            return all;
        }
        all.extend(ids);
        at = Some(next);
    }
}

/// Older versions are in a whole state as they were in the frames.
#[tokio::test]
async fn histories_are_in_the_whole_state() {
    let fixture = Fixture::new().without_grace().without_cache();
    let store = fixture.prepared().await;
    let begun = Some(HistoryState::new(repo_core::Timestamp::from_micros(0).unwrap()));
    let keep =
        StoreUpdate::History { collection: name("machines"), expected: None, history: begun };
    store.update_store_record(keep).await.unwrap();
    for n in 0..5 {
        save(&store, "a", &n.to_string()).await;
    }
    delete(&store, "a").await;
    let of = [OlderThan::new(EntityId::new("a").unwrap(), Version::new(6).unwrap())];
    let most = NonZeroUsize::new(100).unwrap();
    let expected = store.older_versions(&name("machines"), &of, most).await.unwrap();
    assert_eq!(expected.len(), 5);
    make(store.store(), Why::Whole).await.unwrap();
    for handle in [&store, &fixture.open().await] {
        let found = handle.older_versions(&name("machines"), &of, most).await.unwrap();
        assert_eq!(found, expected);
    }
}
