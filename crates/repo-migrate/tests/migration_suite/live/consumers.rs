//! Consumers of the change feed go on in the store that takes over, and go back with it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use repo_core::strategy::{FeedPosition, RecordChange, StorageStrategyExt as _};
use repo_core::{ErrorKind, Result};
use repo_feed::{
    Chain, Consumer, ConsumerName, Consumers, FollowOptions, HandlerError, Start, SubscribeOptions,
};
use repo_migrate::live::{self, LivePhase, LivePlace as _, SwitchOptions};

use super::support::{Move, Store, document, key, ready, writer};

pub(super) fn name(text: &str) -> ConsumerName {
    ConsumerName::new(text).unwrap()
}

pub(super) fn quick() -> FollowOptions {
    FollowOptions::default().with_poll(Duration::from_millis(5))
}

pub(super) async fn subscribed(store: Store, consumer: &str) -> Consumers {
    let consumers = Consumers::new(store);
    consumers.subscribe(&name(consumer), SubscribeOptions::default()).await.unwrap();
    consumers
}

pub(super) async fn save(store: &Store, id: &str, n: u64) -> u64 {
    store.save(key(id), document(id, n)).await.unwrap().version.get()
}

/// What a consumer sees until the end of the feed: the versions of each record, in order.
pub(super) async fn seen(consumers: &Consumers, consumer: &str) -> BTreeMap<String, Vec<u64>> {
    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut open = Consumer::open(consumers, &name(consumer)).await.unwrap();
    open.follow(&quick().until_head(), async |changes| {
        for change in changes {
            seen.entry(change.key.id.to_string()).or_default().push(change.version.get());
        }
        Ok(())
    })
    .await
    .unwrap();
    open.close().await.unwrap();
    seen
}

/// Follows until it is asked to end; notes the highest version of each record.
async fn follow(
    consumers: Consumers,
    highest: Arc<Mutex<BTreeMap<String, u64>>>,
    asked: tokio::sync::oneshot::Receiver<()>,
) -> Result<()> {
    let mut consumer = Consumer::open(&consumers, &name("billing")).await.unwrap();
    let note = async |changes: &[RecordChange]| {
        let mut highest = highest.lock().unwrap();
        for change in changes {
            let entry = highest.entry(change.key.id.to_string()).or_default();
            *entry = change.version.get().max(*entry);
        }
        Ok(())
    };
    let options = quick();
    tokio::select! {
        followed = consumer.follow(&options, note) => followed,
        _ = asked => Ok(()),
    }
}

/// While writers write and the store moves to and fro, a consumer that follows sees the last
/// version of every record, and nobody has to open it again.
async fn a_consumer_goes_along(source: &str, target: &str) {
    let moving = Move::new(source, target).await;
    let routed = moving.routed().await;
    let consumers = subscribed(routed.clone(), "billing").await;
    let ended = Arc::new(AtomicBool::new(false));
    let highest: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let (end, asked) = tokio::sync::oneshot::channel::<()>();
    // What follows holds a closure that no task may hold.
    let following = std::thread::spawn({
        let (consumers, highest) = (consumers.clone(), Arc::clone(&highest));
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(follow(consumers, highest, asked))
        }
    });
    let writers: Vec<_> =
        (0..3).map(|n| writer(Arc::clone(&routed), n, Arc::clone(&ended))).collect();
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    for round in 0..3 {
        let options = SwitchOptions::default();
        let moved = match round % 2 {
            0 => live::switch(moving.stores(), options).await,
            _ => live::back(moving.stores(), options).await,
        };
        assert!(moved.unwrap().switched);
    }
    ended.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeMap::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    live::finish(moving.stores()).await.unwrap();
    mover.await.unwrap().unwrap();
    drop(stop);
    let missing = || {
        let highest = highest.lock().unwrap();
        let is_seen = |(id, version): &(&String, &u64)| highest.get(*id) >= Some(*version);
        acknowledged.iter().find(|one| !is_seen(one)).map(|(id, _)| id.clone())
    };
    for _ in 0..1_000 {
        if missing().is_none() || following.is_finished() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(end);
    following.join().unwrap().unwrap();
    assert_eq!(missing(), None);
    let left = consumers.list().await.unwrap();
    assert_eq!((left.len(), left[0].dead), (1, 0), "{left:?}");
    let capture = moving.target.store().await.store_record().await.unwrap().capture;
    assert!(capture.holders.iter().all(|holder| holder.as_str() == "consumer/billing"));
    assert!(capture.is_on());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_goes_along_from_memory_to_memory() {
    a_consumer_goes_along("memory", "memory").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_goes_along_from_json_to_sqlite() {
    a_consumer_goes_along("json", "sqlite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_goes_along_from_sqlite_to_json() {
    a_consumer_goes_along("sqlite", "json").await;
}

/// One that sleeps misses nothing, wherever its store is when it wakes up.
#[tokio::test]
async fn a_consumer_that_sleeps_misses_nothing() {
    let moving = Move::new("sqlite", "memory").await;
    let routed: Store = moving.routed().await;
    let consumers = subscribed(routed.clone(), "nightly").await;
    let other = subscribed(routed.clone(), "other").await;
    let oldest = SubscribeOptions::default().with_start(Start::Oldest);
    consumers.subscribe(&name("oldest"), oldest).await.unwrap();
    save(&routed, "old-001", 1).await;
    let asleep = consumers.list().await.unwrap()[0].position.clone();
    ready(&moving).await;
    save(&routed, "late", 1).await;
    moving.switch().await.unwrap();
    save(&routed, "later", 1).await;
    let found = seen(&other, "other").await;
    assert_eq!(found["old-001"].last(), Some(&2));
    assert_eq!((&found["late"], &found["later"]), (&vec![1], &vec![1]));
    // Unmoved, it stands where it stood.
    live::back(moving.stores(), SwitchOptions::default()).await.unwrap();
    let back = consumers.list().await.unwrap();
    assert_eq!((back[0].name.as_str(), &back[0].position), ("nightly", &asleep));
    assert_eq!((back[1].name.as_str(), &back[1].position), ("oldest", &None));
    save(&routed, "last", 1).await;
    let found = seen(&consumers, "nightly").await;
    assert_eq!(found["old-001"].last(), Some(&2));
    for id in ["late", "later", "last"] {
        assert_eq!(found[id], [1], "{id}");
    }
    // And of what it has seen in the first store it sees only what came of late again.
    assert!(seen(&other, "other").await.keys().all(|id| !id.starts_with("old-1")));
    live::abort(moving.stores()).await.unwrap();
    let left = moving.target.store().await;
    assert!(!left.store_record().await.unwrap().capture.is_on());
    assert_eq!(Consumers::new(left).list().await.unwrap(), []);
}

/// One that is at the end of the feed when the store moves sees nothing twice: its aggregates
/// have every change once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregates_count_on() {
    let moving = Move::new("json", "memory").await;
    let routed: Store = moving.routed().await;
    let consumers = subscribed(routed.clone(), "counter").await;
    let running = tokio::spawn({
        let consumers = consumers.clone();
        async move {
            let chain = Chain::new()
                .aggregate(
                    "writes",
                    |change: &RecordChange| Some(change.key.id.to_string()),
                    |writes: &mut u64, _| {
                        *writes += 1;
                        Ok(())
                    },
                )
                .unwrap();
            let mut consumer = Consumer::open(&consumers, &name("counter")).await.unwrap();
            consumer.run(&quick(), &chain).await
        }
    });
    ready(&moving).await;
    let mut written = BTreeMap::new();
    for round in 0..4 {
        for n in 0..25 {
            let id = format!("c-{}", n % 5);
            save(&routed, &id, n).await;
            *written.entry(id).or_insert(0) += 1;
        }
        let moved = match round % 2 {
            0 => moving.switch().await,
            _ => live::back(moving.stores(), SwitchOptions::default()).await,
        };
        assert!(moved.unwrap().switched);
    }
    save(&routed, "c-0", 0).await;
    written.entry("c-0".to_owned()).and_modify(|count| *count += 1);
    let most = NonZeroUsize::new(100).unwrap();
    let mut counted = BTreeMap::new();
    for _ in 0..500 {
        let states = consumers.states::<u64>(&name("counter"), "writes", None, most).await.unwrap();
        counted = states.into_iter().collect();
        if counted == written || running.is_finished() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!running.is_finished(), "{:?}", running.await);
    assert_eq!(counted, written);
    running.abort();
}

/// A stream goes on where the store has gone; what was given before, and not noted, comes again.
#[tokio::test]
async fn a_stream_goes_on() {
    let moving = Move::new("memory", "sqlite").await;
    let routed: Store = moving.routed().await;
    let consumers = subscribed(routed.clone(), "a").await;
    ready(&moving).await;
    let mut consumer = Consumer::open(&consumers, &name("a")).await.unwrap();
    let mut stream = consumer.stream(quick()).await.unwrap();
    save(&routed, "one", 1).await;
    let first = stream.next().await.unwrap().unwrap();
    stream.checkpoint(&first.position).await.unwrap();
    save(&routed, "two", 1).await;
    let second = stream.next().await.unwrap().unwrap();
    assert_eq!(second.key, key("two"));
    moving.switch().await.unwrap();
    // It is not noted any more, and comes again.
    stream.checkpoint(&second.position).await.unwrap();
    save(&routed, "three", 1).await;
    let mut ids = Vec::new();
    while ids.last().map(String::as_str) != Some("three") {
        let change = stream.next().await.unwrap().unwrap();
        stream.checkpoint(&second.position).await.unwrap();
        stream.checkpoint(&change.position).await.unwrap();
        ids.push(change.key.id.to_string());
    }
    assert!(ids.contains(&"two".to_owned()), "{ids:?}");
    // There and back while one is worked on: it can be noted where it was given.
    save(&routed, "four", 1).await;
    let fourth = stream.next().await.unwrap().unwrap();
    live::back(moving.stores(), SwitchOptions::default()).await.unwrap();
    moving.switch().await.unwrap();
    stream.checkpoint(&fourth.position).await.unwrap();
    save(&routed, "five", 1).await;
    while stream.next().await.unwrap().unwrap().key != key("five") {}
    save(&routed, "six", 1).await;
    let sixth = stream.next().await.unwrap().unwrap();
    stream.checkpoint(&sixth.position).await.unwrap();
    drop(stream);
    consumer.close().await.unwrap();
    assert_eq!(seen(&consumers, "a").await, BTreeMap::new());
}

/// An operator who is stopped before the fence, and resumed when another one has switched, takes
/// nothing away from the store that has taken over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_operator_writes_over_nothing() {
    let moving = Move::new("memory", "memory").await;
    let routed: Store = moving.routed().await;
    subscribed(routed.clone(), "early").await;
    ready(&moving).await;
    let live = live::status(moving.stores()).await.unwrap().live;
    let from = Consumers::new(moving.source.open(Some(live)).await.unwrap());
    let to = Consumers::new(moving.target.open(Some(live)).await.unwrap());
    moving.switch().await.unwrap();
    subscribed(routed.clone(), "later").await;
    let here = |_: &ConsumerName, _: Option<&FeedPosition>| Ok(None);
    assert_eq!(from.relocate(&to, here).await.unwrap_err().kind(), ErrorKind::Locked);
    let left = Consumers::new(routed).list().await.unwrap();
    assert_eq!(left.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["early", "later"]);
    let capture = moving.target.store().await.store_record().await.unwrap().capture;
    assert!(capture.holders.iter().any(|holder| holder.as_str() == "consumer/later"));
}

/// Dead letters go along, and wait for somebody who has them tried again.
#[tokio::test]
async fn dead_letters_go_along() {
    let moving = Move::new("json", "sqlite").await;
    let routed: Store = moving.routed().await;
    let consumers = subscribed(routed.clone(), "a").await;
    save(&routed, "bad", 1).await;
    save(&routed, "good", 1).await;
    let follow = async |fails: bool| {
        let mut consumer = Consumer::open(&consumers, &name("a")).await.unwrap();
        let mut handled = Vec::new();
        let handle = async |changes: &[RecordChange]| {
            let is_bad = |change: &RecordChange| change.key == key("bad");
            if fails && changes.iter().any(is_bad) {
                return Err(HandlerError::Failed("no".to_owned()));
            }
            handled.extend(changes.iter().map(|change| change.key.id.to_string()));
            Ok(())
        };
        consumer.follow(&quick().until_head(), handle).await.unwrap();
        consumer.close().await.unwrap();
        handled
    };
    assert!(!follow(true).await.contains(&"bad".to_owned()));
    ready(&moving).await;
    moving.switch().await.unwrap();
    let letters = consumers.dead_letters(&name("a")).await.unwrap();
    assert_eq!((letters.len(), letters[0].key.clone()), (1, key("bad")));
    save(&routed, "bad", 2).await;
    follow(true).await;
    assert_eq!(consumers.dead_letters(&name("a")).await.unwrap().len(), 2);
    consumers.retry(&name("a"), None).await.unwrap();
    assert_eq!(follow(false).await, ["bad", "bad"]);
    live::back(moving.stores(), SwitchOptions::default()).await.unwrap();
    assert_eq!(consumers.dead_letters(&name("a")).await.unwrap(), []);
}

/// What cannot be carried over is said before anybody has to wait; and a consumer without a
/// router is told where its store has gone.
#[tokio::test]
async fn a_consumer_that_cannot_go_back_is_named() {
    let moving = Move::new("memory", "memory").await;
    let routed: Store = moving.routed().await;
    let consumers = subscribed(routed.clone(), "halfway").await;
    subscribed(routed.clone(), "gone").await;
    let plain = Consumers::new(moving.source.store().await);
    let mut at_home = Consumer::open(&plain, &name("gone")).await.unwrap();
    for n in 0..3 {
        save(&routed, "early", n).await;
    }
    ready(&moving).await;
    moving.switch().await.unwrap();
    let error = at_home.follow(&quick(), async |_| Ok(())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.context_value("successor").is_some(), "{error}");
    // It sees the first change of the copy, and no more.
    let mut consumer = Consumer::open(&consumers, &name("halfway")).await.unwrap();
    let mut stream = consumer.stream(quick()).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    stream.checkpoint(&first.position).await.unwrap();
    drop(stream);
    consumer.close().await.unwrap();
    let back = async |dry: bool| {
        let options = SwitchOptions::default().with_dry_run(dry);
        live::back(moving.stores(), options).await
    };
    for dry in [true, false] {
        let error = back(dry).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert_eq!(error.context_value("consumer"), Some("halfway"), "{error}");
    }
    assert!(!seen(&consumers, "halfway").await.is_empty());
    assert!(back(false).await.unwrap().switched);
    consumers.unsubscribe(&name("halfway")).await.unwrap();
    moving.switch().await.unwrap();
    let left: Vec<_> =
        consumers.list().await.unwrap().into_iter().map(|one| one.name.to_string()).collect();
    assert_eq!(left, ["gone"]);
}
