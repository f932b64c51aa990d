//! How many requests a call is.

use futures::future::join_all;
use repo_core::strategy::StorageStrategy as _;
use repo_core::{Consistency, EntityId, Filter, Precondition, Query, Write};

use super::wire::Act;
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
