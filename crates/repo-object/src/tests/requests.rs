//! How many requests a call is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use repo_core::strategy::{StorageStrategy as _, StorageStrategyExt as _, with_consistency};
use repo_core::{Consistency, EntityId, ErrorKind, Filter, Precondition, Query, Token, Write};

use super::wire::{Act, Fate};
use super::{Fixture, all, document, key, name, save, text};

/// Writes machines in one commit.
async fn fill(fixture: &Fixture, count: usize) -> Vec<EntityId> {
    let store = fixture.prepared().await;
    let ids: Vec<String> = (0..count).map(|n| format!("m-{n:05}")).collect();
    let put = |id: &String| {
        Write::put(key("machines", id), document(id, &"x".repeat(100)), Precondition::Absent)
    };
    store.commit(ids.iter().map(put).collect()).await.unwrap();
    store.checkpoint().await.unwrap();
    store.close().await.unwrap();
    ids.iter().map(|id| EntityId::new(id).unwrap()).collect()
}

#[tokio::test]
async fn a_read_of_what_is_in_the_cache_is_one_request() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    save(&store, "a", "1").await;
    fixture.wire.asked();
    for _ in 0..10 {
        assert_eq!(text(&store, "a").await.as_deref(), Some("1"));
    }
    assert_eq!(fixture.wire.asked().len(), 10);
}

/// Reads that wait share a look at the end of the log: two looks are enough for all, one that
/// is under way and one that begins when they are there.
#[tokio::test]
async fn reads_that_wait_share_a_look() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    save(&store, "a", "1").await;
    fixture.wire.asked();
    // All of them began before the first was answered.
    let ids = [EntityId::new("a").unwrap()];
    let machines = name("machines");
    let reads: Vec<_> = (0..100).map(|_| store.get_many(&machines, &ids)).collect();
    join_all(reads).await.into_iter().for_each(|read| drop(read.unwrap()));
    let looks = fixture.wire.count(Act::Get, "log/");
    assert!((1..=2).contains(&looks), "{looks}");
}

/// Many documents that stand together are few requests, whatever reads them.
#[tokio::test]
async fn documents_are_read_together() {
    let fixture = Fixture::new().without_cache();
    let ids = fill(&fixture, 3_000).await;
    let store = fixture.open().await;
    fixture.wire.asked();
    let found = store.get_many(&name("machines"), &ids).await.unwrap();
    assert!(found.iter().all(Option::is_some));
    let asked = fixture.wire.asked();
    assert!(asked.len() <= 4, "{} requests", asked.len());
    let counted = store
        .count(&name("machines"), &Filter::parse(r#"{"text":"x"}"#).unwrap(), Consistency::Strong)
        .await
        .unwrap();
    assert_eq!(counted, 0);
    let asked = fixture.wire.asked();
    assert!(asked.len() <= 4, "{} requests", asked.len());
    assert_eq!(all(&store).await.len(), 3_000);
    let asked = fixture.wire.asked();
    assert!(asked.len() <= 5, "{} requests", asked.len());
}

/// A store is opened by its checkpoint: the frames that are in it are not read.
#[tokio::test]
async fn opening_reads_what_is_behind_the_checkpoint() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    for n in 0..50 {
        save(&store, &n.to_string(), "").await;
    }
    store.checkpoint().await.unwrap();
    for n in 0..3 {
        save(&store, &n.to_string(), "").await;
    }
    fixture.wire.asked();
    let other = fixture.open().await;
    let asked = fixture.wire.asked();
    let frames = asked.iter().filter(|(act, name)| *act == Act::Get && name.starts_with("log/"));
    // Frames are asked for ahead of the end, a few at a time.
    assert!(frames.count() <= 10, "{asked:?}");
    assert_eq!(all(&other).await.len(), 50);
}

/// To make a store, the server is tried out in few requests; to open one, fewer.
#[tokio::test]
async fn making_and_opening_are_few_requests() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    let made = fixture.wire.asked();
    assert!(made.len() <= 20, "{} requests: {made:?}", made.len());
    store.close().await.unwrap();
    fixture.wire.asked();
    fixture.open().await;
    let opened = fixture.wire.asked();
    assert!(opened.len() <= 4, "{} requests: {opened:?}", opened.len());
}

/// A commit that lost a race asks whose the number is, reads what the other one wrote, and is sent
/// again.
#[tokio::test]
async fn a_lost_race_is_five_requests() {
    let fixture = Fixture::new();
    let (store, other) = (fixture.prepared().await, fixture.open().await);
    save(&other, "a", "1").await;
    fixture.wire.asked();
    assert_eq!(save(&store, "a", "2").await, 2);
    let asked: Vec<Act> = fixture.wire.asked().into_iter().map(|(act, _)| act).collect();
    assert_eq!(asked, [Act::Put, Act::Get, Act::Get, Act::Get, Act::Put]);
}

/// A read that failed in passing is made again, and a commit as well.
#[tokio::test(start_paused = true)]
async fn what_failed_in_passing_is_tried_again() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    save(&store, "a", "1").await;
    for (act, folder) in [(Act::Get, "log/"), (Act::Put, "log/")] {
        let asked = AtomicUsize::new(0);
        fixture.wire.decide(move |one, name| {
            let fails =
                one == act && name.starts_with(folder) && asked.fetch_add(1, Ordering::SeqCst) < 2;
            if fails { Fate::Unreached } else { Fate::Done }
        });
        if act == Act::Put {
            assert_eq!(save(&store, "a", "2").await, 2);
        } else {
            assert_eq!(text(&store, "a").await.as_deref(), Some("1"));
        }
    }
    // What goes on failing is an error, with nothing done.
    fixture.wire.decide(|_, _| Fate::Unreached);
    let error = store.get(&name("machines"), &key("machines", "a").id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let refused = store.save(key("machines", "a"), document("a", "3")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
    fixture.wire.behave();
    assert_eq!(save(&store, "a", "3").await, 3);
}

/// A read of a weaker level asks for nothing where the handle has seen as much.
#[tokio::test]
async fn a_level_asks_for_what_was_not_seen() {
    let fixture = Fixture::new();
    let (store, other) = (fixture.prepared().await, fixture.open().await);
    let hour = Consistency::BoundedStaleness(Duration::from_secs(3_600));
    save(&store, "a", "1").await;
    let token = store.token().await.unwrap();
    let read = async |level| with_consistency(level, text(&other, "a")).await;
    assert_eq!(read(hour).await, None, "it looked a moment before");
    fixture.wire.asked();
    assert_eq!(read(Consistency::AtLeast(token)).await.as_deref(), Some("1"));
    assert!(fixture.wire.count(Act::Get, "log/") > 0);
    for level in [Consistency::AtLeast(token), hour] {
        assert_eq!(read(level).await.as_deref(), Some("1"), "{level:?}");
        assert_eq!(fixture.wire.asked(), [], "{level:?}");
    }
    // Without a position it says nothing of what was seen.
    let bare = Consistency::AtLeast(Token::new(token.store()));
    for level in [bare, Consistency::BoundedStaleness(Duration::ZERO), Consistency::Strong] {
        assert_eq!(read(level).await.as_deref(), Some("1"), "{level:?}");
        assert_eq!(fixture.wire.count(Act::Get, "log/"), 1, "{level:?}");
    }
}

/// An eventual read of a handle that looked a moment ago asks for nothing.
#[tokio::test]
async fn an_eventual_read_may_be_a_moment_old() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    save(&store, "a", "1").await;
    text(&store, "a").await;
    fixture.wire.asked();
    let page = store.query(&name("machines"), &Query::all()).await.unwrap();
    assert_eq!(page.entities.len(), 1);
    assert_eq!(fixture.wire.asked(), []);
    store.query(&name("machines"), &Query::all().strong()).await.unwrap();
    assert_eq!(fixture.wire.count(Act::Get, "log/"), 1);
}
