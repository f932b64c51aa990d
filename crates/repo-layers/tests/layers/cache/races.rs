//! Reads and writes that overtake each other, in the order in which it would go wrong.

use futures::poll;
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{ErrorKind, Timestamp};
use repo_layers::OperationKind;

use super::support::{cache, holding, version};
use crate::faults::{document, hosts, key, save};

/// Reads the first version and does not learn of it yet; the host is written; then the
/// reader learns of the first version.
#[tokio::test]
async fn a_slow_reader_keeps_nothing_over_a_write() {
    for cache in [cache(), cache().keep_written()] {
        let (store, holding, _) = holding(cache).await;
        save(&store, "h").await.unwrap();
        store.purge(&hosts(), Timestamp::from_micros(0).unwrap()).await.unwrap();
        holding.hold(OperationKind::GetMany);
        let mut slow = Box::pin(version(&store, "h"));
        assert!(poll!(&mut slow).is_pending());
        holding.hold_nothing();
        save(&store, "h").await.unwrap();
        holding.let_go(0);
        assert_eq!(slow.await, Some(1));
        assert_eq!(version(&store, "h").await, Some(2));
    }
}

/// The same where the key is absent at first, and where it is deleted.
#[tokio::test]
async fn a_slow_reader_keeps_nothing_over_a_creation_or_a_deletion() {
    for cache in [cache(), cache().keep_written()] {
        let (store, holding, _) = holding(cache).await;
        holding.hold(OperationKind::GetMany);
        let mut absent = Box::pin(version(&store, "h"));
        assert!(poll!(&mut absent).is_pending());
        save(&store, "h").await.unwrap();
        holding.let_go(0);
        assert_eq!(absent.await, None);

        holding.hold_nothing();
        save(&store, "i").await.unwrap();
        store.purge(&hosts(), Timestamp::from_micros(0).unwrap()).await.unwrap();
        holding.hold(OperationKind::GetMany);
        let mut live = Box::pin(version(&store, "i"));
        assert!(poll!(&mut live).is_pending());
        holding.hold_nothing();
        store.delete(key("i")).await.unwrap();
        holding.let_go(1);
        assert_eq!(live.await, Some(1));
        assert_eq!(version(&store, "h").await, Some(1));
        assert_eq!(version(&store, "i").await, None);
    }
}

/// Who asks after a write does not get the answer of a read that was begun before it.
#[tokio::test]
async fn nobody_joins_a_read_that_a_write_overtook() {
    let (store, holding, _) = holding(cache()).await;
    save(&store, "h").await.unwrap();
    holding.hold(OperationKind::GetMany);
    let mut slow = Box::pin(version(&store, "h"));
    assert!(poll!(&mut slow).is_pending());
    holding.hold_nothing();
    save(&store, "h").await.unwrap();
    assert_eq!(version(&store, "h").await, Some(2));
    holding.let_go(0);
    assert_eq!(slow.await, Some(1));
}

/// The store has the new version and the writer does not know it yet: what is read
/// meanwhile is not kept, since the next writer may be under way.
#[tokio::test]
async fn nothing_is_kept_while_a_write_is_under_way() {
    let (store, holding, other) = holding(cache().keep_written()).await;
    save(&other, "h").await.unwrap();
    assert_eq!(version(&store, "h").await, Some(1));
    holding.hold(OperationKind::Commit);
    let mut write = Box::pin(save(&store, "h"));
    assert!(poll!(&mut write).is_pending());
    for _ in 0..2 {
        assert_eq!(version(&store, "h").await, Some(2));
    }
    assert_eq!(holding.reads(), 3);
    holding.let_go(0);
    assert_eq!(write.await.unwrap().version.get(), 2);
    assert_eq!(version(&store, "h").await, Some(2));
    assert_eq!(holding.reads(), 3, "what was written is kept");
}

/// A caller who gives a write up does not know whether it was done; it was.
#[tokio::test]
async fn a_write_that_is_given_up_is_read_back() {
    let (store, holding, other) = holding(cache().keep_written()).await;
    save(&other, "h").await.unwrap();
    assert_eq!(version(&store, "h").await, Some(1));
    holding.hold(OperationKind::Commit);
    let mut write = Box::pin(save(&store, "h"));
    assert!(poll!(&mut write).is_pending());
    holding.hold(OperationKind::GetMany);
    let mut read = Box::pin(version(&store, "h"));
    assert!(poll!(&mut read).is_pending());
    drop(write);
    holding.hold_nothing();
    holding.let_go(1);
    assert_eq!(read.await, Some(2));
    assert_eq!(version(&store, "h").await, Some(2));
    assert_eq!(holding.reads(), 3, "the read that was begun before the end is not kept");
}

/// Two writers at the same time, who learn of it in the other order.
#[tokio::test]
async fn of_two_writes_the_higher_version_is_kept() {
    for order in [[0, 1], [1, 0]] {
        let (store, holding, _) = holding(cache().keep_written()).await;
        holding.hold(OperationKind::Commit);
        let mut first = Box::pin(save(&store, "h"));
        assert!(poll!(&mut first).is_pending());
        let mut second = Box::pin(save(&store, "h"));
        assert!(poll!(&mut second).is_pending());
        holding.let_go(order[0]);
        assert_eq!(poll!(&mut first).is_ready(), order[0] == 0);
        assert_eq!(poll!(&mut second).is_ready(), order[0] == 1);
        holding.let_go(order[1]);
        if order[0] == 0 {
            second.await.unwrap();
        } else {
            first.await.unwrap();
        }
        assert_eq!(version(&store, "h").await, Some(2));
        assert_eq!(holding.reads(), 0);
    }
}

/// One of two writers fails, and nobody knows what it did.
#[tokio::test]
async fn beside_a_write_that_is_given_up_nothing_is_kept() {
    let (store, holding, _) = holding(cache().keep_written()).await;
    holding.hold(OperationKind::Commit);
    let mut first = Box::pin(save(&store, "h"));
    assert!(poll!(&mut first).is_pending());
    let mut second = Box::pin(save(&store, "h"));
    assert!(poll!(&mut second).is_pending());
    drop(second);
    holding.let_go(0);
    first.await.unwrap();
    assert_eq!(version(&store, "h").await, Some(2));
    assert_eq!(holding.reads(), 1);
}

/// A purge removes the tombstone that a reader is about to learn of.
#[tokio::test]
async fn a_slow_reader_keeps_nothing_over_a_purge() {
    let (store, holding, _) = holding(cache().keep_written()).await;
    save(&store, "h").await.unwrap();
    store.delete(key("h")).await.unwrap();
    let long_ago = Timestamp::from_micros(0).unwrap();
    store.purge(&hosts(), long_ago).await.unwrap();
    holding.hold(OperationKind::GetMany);
    let ids = [key("h").id];
    let names = hosts();
    let mut slow = Box::pin(store.get_many(&names, &ids));
    assert!(poll!(&mut slow).is_pending());
    holding.hold_nothing();
    let far_off = Timestamp::parse("9999-01-01T00:00:00Z").unwrap();
    assert_eq!(store.purge(&names, far_off).await.unwrap().removed, 1);
    holding.let_go(0);
    assert!(slow.await.unwrap()[0].is_some(), "it was there when it was read");
    assert_eq!(store.get_many(&names, &ids).await.unwrap(), [None]);
}

/// A write that is refused is none.
#[tokio::test]
async fn a_refused_write_changes_nothing_for_readers() {
    let (store, holding, _) = holding(cache().keep_written()).await;
    let first = save(&store, "h").await.unwrap();
    save(&store, "h").await.unwrap();
    let stale = store.update(key("h"), document("h"), first.version).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Conflict);
    assert_eq!(version(&store, "h").await, Some(2));
    assert_eq!(holding.reads(), 1, "what failed is read from the store");
}
