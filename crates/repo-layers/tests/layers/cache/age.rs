//! How old a read may be.

use std::time::Duration;

use futures::poll;
use repo_core::strategy::{strong_reads, with_consistency};
use repo_core::{Consistency, ErrorKind};
use repo_layers::{CacheLayer, Layer as _, OperationKind};
use tokio::time::advance;

use super::support::{TTL, bytes, cache, holding, two, version};
use crate::faults::save;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn what_others_write_is_seen_when_the_time_is_over() {
    let (store, _, other) = holding(cache()).await;
    assert_eq!(version(&store, "h").await, None);
    save(&other, "h").await.unwrap();
    advance(TTL - SECOND).await;
    assert_eq!(version(&store, "h").await, None);
    advance(SECOND).await;
    assert_eq!(version(&store, "h").await, Some(1));
}

/// The store may have answered with what it held when it was asked.
#[tokio::test(start_paused = true)]
async fn the_time_counts_from_before_the_store_is_asked() {
    let (store, holding, other) = holding(cache()).await;
    holding.hold(OperationKind::GetMany);
    let mut read = Box::pin(version(&store, "h"));
    assert!(poll!(&mut read).is_pending());
    save(&other, "h").await.unwrap();
    advance(TTL - SECOND).await;
    holding.let_go(0);
    assert_eq!(read.await, None);
    holding.hold_nothing();
    assert_eq!(version(&store, "h").await, None);
    advance(SECOND).await;
    assert_eq!(version(&store, "h").await, Some(1));
}

/// Nobody joins a read that was begun too long ago.
#[tokio::test(start_paused = true)]
async fn a_read_under_way_grows_old_too() {
    let (store, holding, other) = holding(cache()).await;
    holding.hold(OperationKind::GetMany);
    let mut old = Box::pin(version(&store, "h"));
    assert!(poll!(&mut old).is_pending());
    save(&other, "h").await.unwrap();
    holding.hold_nothing();
    advance(TTL).await;
    assert_eq!(version(&store, "h").await, Some(1));
    holding.let_go(0);
    assert_eq!(old.await, None);
    assert_eq!(version(&store, "h").await, Some(1), "the newer read is the one that is kept");
    assert_eq!(holding.reads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bounded_read_takes_what_is_young_enough() {
    let (store, holding, other) = holding(cache()).await;
    assert_eq!(version(&store, "h").await, None);
    save(&other, "h").await.unwrap();
    advance(SECOND).await;
    let level = Consistency::BoundedStaleness(2 * SECOND);
    assert_eq!(with_consistency(level, version(&store, "h")).await, None);
    advance(SECOND).await;
    assert_eq!(with_consistency(level, version(&store, "h")).await, Some(1));
    assert_eq!(version(&store, "h").await, Some(1), "what it read is kept");
    assert_eq!(holding.reads(), 2);
}

/// Nobody waits for a read that was begun before what the bound allows.
#[tokio::test(start_paused = true)]
async fn a_bounded_read_joins_no_older_one() {
    let (store, holding, other) = holding(cache()).await;
    holding.hold(OperationKind::GetMany);
    let mut old = Box::pin(version(&store, "h"));
    assert!(poll!(&mut old).is_pending());
    save(&other, "h").await.unwrap();
    holding.hold_nothing();
    advance(SECOND).await;
    let level = Consistency::BoundedStaleness(SECOND);
    assert_eq!(with_consistency(level, version(&store, "h")).await, Some(1));
    holding.let_go(0);
    assert_eq!(old.await, None);
}

#[tokio::test]
async fn a_read_by_a_token_asks_the_store_and_nothing_of_it_is_kept() {
    let (store, holding, other) = holding(cache()).await;
    assert_eq!(version(&store, "h").await, None);
    save(&other, "h").await.unwrap();
    let level = Consistency::AtLeast(other.token().await.unwrap());
    assert_eq!(with_consistency(level, version(&store, "h")).await, Some(1));
    assert_eq!(version(&store, "h").await, None);
    assert_eq!(holding.reads(), 2);
}

#[tokio::test]
async fn a_strong_read_asks_the_store_and_is_kept() {
    let (store, holding, other) = holding(cache()).await;
    assert_eq!(version(&store, "h").await, None);
    save(&other, "h").await.unwrap();
    assert_eq!(version(&store, "h").await, None);
    assert_eq!(strong_reads(version(&store, "h")).await, Some(1));
    assert_eq!(version(&store, "h").await, Some(1));
    assert_eq!(holding.reads(), 2);
}

/// A strong read does not wait for a read that was begun before it.
#[tokio::test]
async fn a_strong_read_joins_nobody() {
    let (store, holding, other) = holding(cache()).await;
    holding.hold(OperationKind::GetMany);
    let mut old = Box::pin(version(&store, "h"));
    assert!(poll!(&mut old).is_pending());
    save(&other, "h").await.unwrap();
    holding.hold_nothing();
    assert_eq!(strong_reads(version(&store, "h")).await, Some(1));
    holding.let_go(0);
    assert_eq!(old.await, None);
    assert_eq!(version(&store, "h").await, Some(1));
}

#[tokio::test]
async fn the_capabilities_say_how_old_a_read_may_be() {
    let (store, _) = two().await;
    assert_eq!(store.capabilities().max_read_age_ms, None);
    let cached = cache().around(store);
    assert_eq!(cached.capabilities().max_read_age_ms, Some(60_000));
    let changes = cached.capabilities().changes;
    assert!(changes, "the rest is as it was");
    let short = CacheLayer::new(bytes(1), Duration::from_nanos(1)).unwrap();
    assert_eq!(short.around(cached).capabilities().max_read_age_ms, Some(60_001));
}

#[test]
fn a_cache_without_time_is_refused() {
    let error = CacheLayer::new(bytes(1), Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert_eq!(error.context_value("setting"), Some("ttl"));
    let error = cache().follow(Duration::ZERO).unwrap_err();
    assert_eq!(error.context_value("setting"), Some("follow"));
}
