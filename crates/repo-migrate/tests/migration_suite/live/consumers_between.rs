//! The store moves between two steps of a consumer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use repo_core::Result;
use repo_core::strategy::{RecordChange, SystemWrite};
use repo_feed::{Consumer, Consumers, HandlerError, Start, SubscribeOptions};
use repo_layers::{Inner, Layer};
use repo_migrate::live::{self, SwitchOptions};

use super::consumers::{name, quick, save, seen, subscribed};
use super::support::{Move, Place, Store, key, ready};

/// The store moves just before it is to note something about consumers for the first time.
#[derive(Debug)]
struct MovesFirst {
    source: Place,
    target: Place,
    moved: AtomicBool,
}

impl Layer for MovesFirst {
    async fn write_system_items(&self, inner: &Inner, writes: Vec<SystemWrite>) -> Result<()> {
        if !self.moved.swap(true, Ordering::Relaxed) {
            let stores = live::LiveStores { source: &self.source, target: &self.target };
            live::switch(stores, SwitchOptions::default()).await?;
        }
        inner.write_system_items(writes).await
    }
}

/// A subscription whose steps are made in two stores is one in the second: changes are captured
/// for it there, and it sees what is written from then on.
#[tokio::test]
async fn a_subscription_across_a_move_is_whole() {
    for start in [Start::Head, Start::Oldest] {
        let moving = Move::new("sqlite", "memory").await;
        ready(&moving).await;
        let routed: Store = moving.routed().await;
        let (source, target) = (moving.source.clone(), moving.target.clone());
        let moves = MovesFirst { source, target, moved: AtomicBool::new(false) };
        let consumers = Consumers::new(moves.around(Arc::clone(&routed)));
        let options = SubscribeOptions::default().with_start(start);
        consumers.subscribe(&name("new"), options).await.unwrap();
        let record = moving.target.store().await.store_record().await.unwrap();
        let holds = record.capture.holders.iter().any(|one| one.as_str() == "consumer/new");
        assert!(holds, "{:?}", record.capture);
        let listed = consumers.list().await.unwrap();
        let at = listed[0].position.as_ref().map(|position| Some(position.store()));
        match start {
            Start::Head => assert_eq!(at, Some(record.id)),
            _ => assert_eq!(at, None),
        }
        // Nothing but this consumer has changes captured any more.
        live::finish(moving.stores()).await.unwrap();
        save(&routed, "next", 1).await;
        let found = seen(&Consumers::new(routed), "new").await;
        assert_eq!(found["next"], [1]);
        assert_eq!(found.len() == 1, matches!(start, Start::Head), "{found:?}");
    }
}

/// A dead letter is tried again, with success, while the store moves: it is not tried for ever, and
/// what waits behind it comes after it.
async fn a_letter_is_tried_again_while_the_store_moves(source: &str, target: &str, there: bool) {
    let moving = Move::new(source, target).await;
    let routed: Store = moving.routed().await;
    let consumers = subscribed(routed.clone(), "a").await;
    for n in 1..=2 {
        save(&routed, "bad", n).await;
    }
    let mut consumer = Consumer::open(&consumers, &name("a")).await.unwrap();
    let refuse = async |_: &[RecordChange]| Err(HandlerError::Failed("no".to_owned()));
    consumer.follow(&quick().until_head(), refuse).await.unwrap();
    consumer.close().await.unwrap();
    assert_eq!(consumers.dead_letters(&name("a")).await.unwrap().len(), 2);
    ready(&moving).await;
    if !there {
        moving.switch().await.unwrap();
    }
    consumers.retry(&name("a"), None).await.unwrap();
    let mut consumer = Consumer::open(&consumers, &name("a")).await.unwrap();
    let mut handled = Vec::new();
    let mut moves = true;
    let handle = async |changes: &[RecordChange]| {
        for change in changes.iter().filter(|change| change.key == key("bad")) {
            handled.push(change.version.get());
        }
        if std::mem::take(&mut moves) {
            let options = SwitchOptions::default();
            let moved = match there {
                true => live::switch(moving.stores(), options).await,
                false => live::back(moving.stores(), options).await,
            };
            assert!(moved.unwrap().switched);
        }
        Ok(())
    };
    consumer.follow(&quick().until_head(), handle).await.unwrap();
    consumer.close().await.unwrap();
    assert_eq!(consumers.dead_letters(&name("a")).await.unwrap(), [], "{handled:?}");
    let first_of = |version| handled.iter().position(|one| *one == version);
    assert!(first_of(1).is_some() && first_of(1) < first_of(2), "{handled:?}");
    assert_eq!(handled.last(), Some(&2), "{handled:?}");
    save(&routed, "next", 1).await;
    assert_eq!(seen(&consumers, "a").await["next"], [1]);
}

#[tokio::test]
async fn a_letter_is_tried_again_on_the_way_there() {
    a_letter_is_tried_again_while_the_store_moves("json", "memory", true).await;
}

#[tokio::test]
async fn a_letter_is_tried_again_on_the_way_back() {
    a_letter_is_tried_again_while_the_store_moves("sqlite", "json", false).await;
}
