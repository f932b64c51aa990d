//! A consumer as a stream, and what is dropped or unheard on the way.

use std::time::Duration;

use crate::common::{Fate, Place, crashing, name, save, subscribed};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::RecordChange;
use repo_core::{ErrorKind, Result};
use repo_feed::{ChangeStream, Consumer, FollowOptions, LEASE, SubscribeOptions};

async fn open(place: &Place) -> Consumer {
    Consumer::open(&place.consumers, &name("a")).await.unwrap()
}

fn to_head() -> FollowOptions {
    FollowOptions::default().until_head()
}

async fn ids(stream: impl Stream<Item = Result<RecordChange>>) -> Vec<String> {
    let ids = stream.map_ok(|change| change.key.id.to_string());
    ids.try_collect().await.unwrap()
}

async fn next(stream: &mut ChangeStream<'_>) -> RecordChange {
    stream.try_next().await.unwrap().unwrap()
}

#[tokio::test]
async fn what_is_not_noted_comes_again() {
    let place = subscribed().await;
    for id in ["x", "y", "z"] {
        save(&place.store, id).await;
    }
    let mut consumer = open(&place).await;
    let mut stream = consumer.stream(to_head()).await.unwrap();
    let first = next(&mut stream).await;
    let second = next(&mut stream).await;
    stream.checkpoint(&first.position).await.unwrap();
    assert_eq!(ids(stream).await, ["z"]);
    // Another stream of the same consumer, then another process.
    assert_eq!(ids(consumer.stream(to_head()).await.unwrap()).await, ["y", "z"]);
    consumer.close().await.unwrap();
    let mut consumer = open(&place).await;
    let mut stream = consumer.stream(to_head()).await.unwrap();
    assert_eq!(next(&mut stream).await.position, second.position);
    stream.checkpoint(&second.position).await.unwrap();
    // What is noted already does not take it back.
    stream.checkpoint(&first.position).await.unwrap();
    drop(stream);
    // Any runtime may read it.
    let reading = async move { ids(consumer.stream(to_head()).await.unwrap()).await };
    assert_eq!(tokio::spawn(reading).await.unwrap(), ["z"]);
}

#[tokio::test]
async fn only_what_was_given_can_be_noted() {
    let place = subscribed().await;
    for id in ["x", "y"] {
        save(&place.store, id).await;
    }
    let head = place.store.head().await.unwrap();
    let mut consumer = open(&place).await;
    let mut stream = consumer.stream(to_head()).await.unwrap();
    next(&mut stream).await;
    assert_eq!(stream.checkpoint(&head).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(next(&mut stream).await.position, head);
    stream.checkpoint(&head).await.unwrap();
    assert!(stream.next().await.is_none());
    let [status] = &place.consumers.list().await.unwrap()[..] else { panic!() };
    assert!(status.at_head);
}

/// Nothing comes for much longer than a lease lasts, and nobody else gets the consumer.
#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_keeps_its_consumer() {
    let place = subscribed().await;
    let mut consumer = open(&place).await;
    let mut stream = consumer.stream(FollowOptions::default()).await.unwrap();
    for _ in 0..20 {
        let nothing = tokio::time::timeout(LEASE / 2, stream.next()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        let refused = Consumer::open(&place.consumers, &name("a")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Locked);
        place.clock.advance(LEASE / 2);
    }
    save(&place.store, "x").await;
    let change = next(&mut stream).await;
    stream.checkpoint(&change.position).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_lost_its_consumer_ends() {
    let place = subscribed().await;
    save(&place.store, "x").await;
    let mut consumer = open(&place).await;
    let mut stream = consumer.stream(FollowOptions::default()).await.unwrap();
    let change = next(&mut stream).await;
    place.clock.advance(LEASE);
    let mut other = open(&place).await;
    let lost = stream.checkpoint(&change.position).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Locked);
    tokio::time::advance(LEASE).await;
    drop(stream);
    assert_eq!(consumer.stream(to_head()).await.unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(ids(other.stream(to_head()).await.unwrap()).await, ["x"]);
}

/// A renewal in the background that fails is said once; then the stream is at its end.
#[tokio::test(start_paused = true)]
async fn an_error_ends_a_stream() {
    let (place, crashes) = crashing().await;
    place.consumers.subscribe(&name("a"), SubscribeOptions::default()).await.unwrap();
    let mut consumer = open(&place).await;
    let mut stream = consumer.stream(FollowOptions::default()).await.unwrap();
    crashes.plan([Fate::Refused]);
    assert_eq!(stream.try_next().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(stream.next().await.is_none());
}

/// A program drops the future of a checkpoint whose write was done: the consumer is as
/// good as before. So it is when the answer was an error.
#[tokio::test(start_paused = true)]
async fn a_write_that_nobody_heard_of_is_found_out() {
    for fate in [Fate::Hangs, Fate::Unheard, Fate::Refused] {
        let (place, crashes) = crashing().await;
        place.consumers.subscribe(&name("a"), SubscribeOptions::default()).await.unwrap();
        for id in ["x", "y"] {
            save(&place.store, id).await;
        }
        let mut consumer = open(&place).await;
        let mut seen = Vec::new();
        crashes.plan([fate]);
        let handler = async |changes: &[RecordChange]| {
            seen.extend(changes.iter().map(|change| change.key.id.to_string()));
            Ok(())
        };
        let options = to_head();
        let follow = consumer.follow(&options, handler);
        let ended = tokio::time::timeout(Duration::from_secs(1), follow).await;
        assert!(!matches!(ended, Ok(Ok(()))), "{fate:?}");
        assert_eq!((seen, crashes.left()), (vec!["x".to_owned(), "y".to_owned()], 0), "{fate:?}");
        let mut stream = consumer.stream(to_head()).await.unwrap();
        assert!(stream.next().await.is_none(), "{fate:?}");
        drop(stream);
        consumer.close().await.unwrap();
        let [status] = &place.consumers.list().await.unwrap()[..] else { panic!() };
        assert!(status.at_head && status.running.is_none(), "{fate:?}");
    }
}
