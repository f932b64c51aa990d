//! Consumers on the memory store, which is the reference, and on SQLite.

use std::num::NonZeroUsize;
use std::time::Duration;

use repo_core::strategy::{
    MemoryFactory, OpenOptions, RecordChange, StorageStrategyExt as _, StrategyFactory as _,
};
use repo_core::{Clock as _, Document, Error, ErrorKind, Timestamp};
use repo_feed::{
    Consumer, FollowOptions, HandlerError, LEASE, MAX_ATTEMPTS, Start, SubscribeOptions,
};

use crate::common::{Store, key, memory, name, on, save, subscribed};

fn at_once(items: usize) -> FollowOptions {
    FollowOptions::default().until_head().with_max_items(NonZeroUsize::new(items).unwrap())
}

/// What a handler saw: id and version.
type Seen = Vec<(String, u64)>;

fn seen(changes: &[RecordChange]) -> Seen {
    changes.iter().map(|change| (change.key.id.to_string(), change.version.get())).collect()
}

/// Follows to the head; `fails` says which changes fail.
async fn follow(consumer: &mut Consumer, fails: impl Fn(&RecordChange) -> bool) -> Seen {
    let mut all = Vec::new();
    let handler = async |changes: &[RecordChange]| match changes.iter().find(|c| fails(c)) {
        Some(change) => Err(HandlerError::Failed(format!("no {}", change.key.id))),
        None => {
            all.extend(seen(changes));
            Ok(())
        }
    };
    consumer.follow(&at_once(4), handler).await.unwrap();
    all
}

fn expected(all: &[(&str, u64)]) -> Seen {
    all.iter().map(|(id, version)| ((*id).to_owned(), *version)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_consumer_gets_what_was_written_since_it_was_subscribed() {
    for sqlite in [false, true] {
        let dir = tempfile::TempDir::new().unwrap();
        let settings = serde_json::json!({ "name": dir.path().join("m.db") });
        let store: Store = match sqlite {
            true => repo_sql::SqliteFactory.open(&settings, OpenOptions::default()).await.unwrap(),
            false => {
                MemoryFactory.open(&serde_json::json!({}), OpenOptions::default()).await.unwrap()
            }
        };
        let place = on(store).await;
        save(&place.store, "before").await;
        place.consumers.subscribe(&name("a"), SubscribeOptions::default()).await.unwrap();
        for id in ["x", "y", "x"] {
            save(&place.store, id).await;
        }
        let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
        let all = follow(&mut consumer, |_| false).await;
        assert_eq!(all, expected(&[("x", 1), ("y", 1), ("x", 2)]));
        assert_eq!(follow(&mut consumer, |_| false).await, []);
        consumer.close().await.unwrap();
        save(&place.store, "z").await;
        let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
        assert_eq!(follow(&mut consumer, |_| false).await, expected(&[("z", 1)]));
        let [status] = &place.consumers.list().await.unwrap()[..] else { panic!() };
        assert!(status.at_head && status.running.is_some() && status.dead == 0);
    }
}

#[tokio::test]
async fn a_consumer_may_begin_with_the_oldest_change() {
    let place = subscribed().await;
    save(&place.store, "x").await;
    let oldest = SubscribeOptions::default().with_start(Start::Oldest);
    place.consumers.subscribe(&name("b"), oldest).await.unwrap();
    let mut consumer = Consumer::open(&place.consumers, &name("b")).await.unwrap();
    assert_eq!(follow(&mut consumer, |_| false).await, expected(&[("x", 1)]));
}

#[tokio::test]
async fn one_process_runs_a_consumer() {
    let place = subscribed().await;
    let consumers = &place.consumers;
    let refused = |result: Result<Consumer, Error>| result.map(drop).unwrap_err().kind();
    assert_eq!(refused(Consumer::open(consumers, &name("b")).await), ErrorKind::NotFound);
    let mut first = Consumer::open(consumers, &name("a")).await.unwrap();
    let error = Consumer::open(consumers, &name("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert_eq!(error.context_value("process"), Some(std::process::id().to_string().as_str()));
    assert_eq!(consumers.unsubscribe(&name("a")).await.unwrap_err().kind(), ErrorKind::Locked);
    // The first one sleeps for so long that another one may run it.
    place.clock.advance(LEASE);
    let mut second = Consumer::open(consumers, &name("a")).await.unwrap();
    save(&place.store, "x").await;
    let mut handled = 0;
    let handler = async |_: &[RecordChange]| {
        handled += 1;
        Ok(())
    };
    let error = first.follow(&at_once(4), handler).await.unwrap_err();
    assert_eq!((error.kind(), handled), (ErrorKind::Locked, 1));
    assert_eq!(first.close().await.unwrap_err().kind(), ErrorKind::Locked);
    // What the first one could not note comes again.
    assert_eq!(follow(&mut second, |_| false).await, expected(&[("x", 1)]));
    second.close().await.unwrap();
    Consumer::open(consumers, &name("a")).await.unwrap().close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_change_that_fails_is_put_aside_and_holds_back_its_record_alone() {
    let place = subscribed().await;
    for id in ["good", "bad", "fine", "bad", "good"] {
        save(&place.store, id).await;
    }
    let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
    let bad = |change: &RecordChange| change.key.id.as_str() == "bad";
    let all = follow(&mut consumer, bad).await;
    assert_eq!(all, expected(&[("good", 1), ("fine", 1), ("good", 2)]));
    consumer.close().await.unwrap();
    let letters = place.consumers.dead_letters(&name("a")).await.unwrap();
    let shown: Vec<_> = letters.iter().map(|l| (l.version.get(), l.attempts, &*l.error)).collect();
    assert_eq!(shown[0], (1, MAX_ATTEMPTS, "no bad"));
    assert_eq!(shown[1], (2, 0, "an earlier change of the record is a dead letter"));

    // Later changes go behind, also in another process.
    save(&place.store, "bad").await;
    let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
    assert_eq!(follow(&mut consumer, |_| false).await, []);
    assert_eq!(consumer.dead_letters().count(), 3);
    consumer.close().await.unwrap();

    assert_eq!(place.consumers.retry(&name("a"), Some(&key("bad"))).await.unwrap(), 3);
    let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
    assert_eq!(follow(&mut consumer, bad).await, []);
    assert_eq!(consumer.dead_letters().next().unwrap().attempts, MAX_ATTEMPTS + 1);
    consumer.close().await.unwrap();

    let skipped = place.consumers.skip(&name("a"), &key("bad")).await.unwrap();
    assert_eq!(skipped.version.get(), 1);
    let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
    save(&place.store, "bad").await;
    let all = follow(&mut consumer, |_| false).await;
    assert_eq!(all, expected(&[("bad", 2), ("bad", 3), ("bad", 4)]));
    assert_eq!(consumer.dead_letters().count(), 0);
    consumer.close().await.unwrap();
    let error = place.consumers.skip(&name("a"), &key("bad")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_halved_until_the_bad_change_stands_alone() {
    let place = subscribed().await;
    for n in 0..16 {
        save(&place.store, &format!("k{n:02}")).await;
    }
    let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
    let mut batches = Vec::new();
    let handler = async |changes: &[RecordChange]| {
        batches.push(changes.len());
        match changes.iter().any(|change| change.key.id.as_str() == "k05") {
            true => Err(HandlerError::Failed("k05".to_owned())),
            false => Ok(()),
        }
    };
    consumer.follow(&at_once(16), handler).await.unwrap();
    assert_eq!(batches, [16, 8, 4, 4, 2, 1, 1, 1, 1, 1, 1, 2, 8]);
    assert_eq!(consumer.dead_letters().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_leaves_no_letter() {
    let place = subscribed().await;
    save(&place.store, "x").await;
    let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
    let mut left = MAX_ATTEMPTS - 1;
    let handler = async |_: &[RecordChange]| match left.checked_sub(1) {
        Some(fewer) => {
            left = fewer;
            Err(HandlerError::Failed("not yet".to_owned()))
        }
        None => Ok(()),
    };
    consumer.follow(&at_once(4), handler).await.unwrap();
    assert_eq!(consumer.dead_letters().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_with_too_many_letters_stops_and_loses_nothing() {
    let place = memory().await;
    let few = SubscribeOptions::default().with_max_dead(25);
    place.consumers.subscribe(&name("a"), few).await.unwrap();
    for n in 0..30 {
        save(&place.store, &format!("k{n:02}")).await;
    }
    let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
    let fail = async |_: &[RecordChange]| Err(HandlerError::Failed("all".to_owned()));
    let error = consumer.follow(&at_once(100), fail).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert_eq!(error.context_value("max_dead"), Some("25"));
    drop(consumer);
    place.clock.advance(LEASE);
    assert_eq!(place.consumers.retry(&name("a"), None).await.unwrap() % 19, 0);
    let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
    let mut all = follow(&mut consumer, |_| false).await;
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 30);
    assert_eq!(consumer.dead_letters().count(), 0);
}

#[tokio::test]
async fn a_handler_may_stop() {
    let place = subscribed().await;
    save(&place.store, "x").await;
    let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
    let closed = || Error::new(ErrorKind::Unavailable, "print", "nobody reads");
    let stop = async |_: &[RecordChange]| Err(HandlerError::Stop(closed()));
    let error = consumer.follow(&at_once(4), stop).await.unwrap_err();
    assert_eq!(error.operation(), "print");
    assert_eq!(follow(&mut consumer, |_| false).await, expected(&[("x", 1)]));
}

#[tokio::test]
async fn a_name_is_subscribed_once_and_given_back() {
    let place = subscribed().await;
    let consumers = &place.consumers;
    let again = consumers.subscribe(&name("a"), SubscribeOptions::default()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    consumers.subscribe(&name("b"), SubscribeOptions::default()).await.unwrap();
    consumers.unsubscribe(&name("a")).await.unwrap();
    assert!(place.store.store_record().await.unwrap().capture.is_on());
    consumers.unsubscribe(&name("b")).await.unwrap();
    assert!(!place.store.store_record().await.unwrap().capture.is_on());
    assert!(consumers.list().await.unwrap().is_empty());
    assert_eq!(consumers.unsubscribe(&name("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
    consumers.subscribe(&name("a"), SubscribeOptions::default()).await.unwrap();
}

/// What every consumer has is removed; one that does not come back does not hold it up
/// for ever, and hears that it came too late.
#[tokio::test]
async fn what_nobody_needs_is_removed() {
    let place = memory().await;
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    for consumer in ["a", "away"] {
        place.consumers.subscribe(&name(consumer), SubscribeOptions::default()).await.unwrap();
    }
    let round = async |id: &str| {
        save(&place.store, id).await;
        let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
        follow(&mut consumer, |_| false).await;
        consumer.close().await.unwrap();
    };
    let kept = async || {
        place.store.changes(None, NonZeroUsize::new(99).unwrap()).await.unwrap().changes.len()
    };
    round("x").await;
    round("y").await;
    assert_eq!(kept().await, 2);
    place.clock.advance(week + Duration::from_secs(1));
    round("z").await;
    assert!(kept().await < 3);
    let mut late = Consumer::open(&place.consumers, &name("away")).await.unwrap();
    let handler = async |_: &[RecordChange]| Ok(());
    let error = late.follow(&at_once(4), handler).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FeedExpired);
    assert!(place.clock.now() > Timestamp::parse("2026-03-08T00:00:00Z").unwrap());
}

/// A batch is bounded by the bytes of its documents, too; what is larger comes alone.
#[tokio::test]
async fn a_batch_is_bounded_by_bytes() {
    let place = subscribed().await;
    for (id, size) in [("a", 10), ("b", 10), ("c", 900), ("d", 10)] {
        let text = format!(r#"{{"id":"{id}","text":"{}"}}"#, "x".repeat(size));
        place.store.save(key(id), Document::parse(&text).unwrap()).await.unwrap();
    }
    let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
    let mut batches = Vec::new();
    let handler = async |changes: &[RecordChange]| {
        batches.push(changes.len());
        Ok(())
    };
    consumer.follow(&at_once(100).with_max_bytes(100), handler).await.unwrap();
    assert_eq!(batches, [2, 1, 1]);
}

/// A batch that is full by its bytes waits for no further changes.
#[tokio::test(start_paused = true)]
async fn a_batch_full_of_bytes_does_not_wait() {
    let place = subscribed().await;
    let text = format!(r#"{{"id":"a","text":"{}"}}"#, "x".repeat(900));
    place.store.save(key("a"), Document::parse(&text).unwrap()).await.unwrap();
    let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
    let options =
        FollowOptions::default().with_max_wait(Duration::from_secs(60)).with_max_bytes(800);
    let mut changes = 0;
    let follow = consumer.follow(&options, async |batch| {
        changes += batch.len();
        Ok(())
    });
    assert!(tokio::time::timeout(Duration::from_secs(5), follow).await.is_err());
    assert_eq!(changes, 1);
}
