//! What the engine keeps in a store for itself.

use std::num::NonZeroUsize;

use repo_core::strategy::{SystemCollection, SystemWrite};
use repo_core::{ErrorKind, Result};

use super::feed_support::offered;
use super::support::{assert_kind, key, save};
use crate::{Fixture, Store};

const CONSUMERS: SystemCollection = SystemCollection::Consumers;
const DEAD: SystemCollection = SystemCollection::DeadLetters;

fn change(key: &str, from: Option<&str>, to: Option<&str>) -> SystemWrite {
    SystemWrite::new(CONSUMERS, key, from.map(str::to_owned), to.map(str::to_owned))
}

async fn write(store: &Store, key: &str, from: Option<&str>, to: Option<&str>) -> Result<()> {
    store.write_system_items(vec![change(key, from, to)]).await
}

async fn item(store: &Store, key: &str) -> Option<String> {
    store.system_item(CONSUMERS, key).await.unwrap()
}

async fn keys(store: &Store, prefix: &str, after: Option<&str>, most: usize) -> Vec<String> {
    let most = NonZeroUsize::new(most).unwrap();
    let items = store.system_items(CONSUMERS, prefix, after, most).await.unwrap();
    items.into_iter().map(|item| item.key).collect()
}

/// An item is made, changed and removed by who knows what it is; anybody else is
/// `Locked`, and nothing is written.
pub async fn an_item_is_compared_and_set(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let other = f.second(&store).await;
    assert_eq!(item(&store, "a").await, None);
    assert_kind(write(&store, "a", Some("0"), Some("1")).await, ErrorKind::Locked);
    write(&store, "a", None, Some("{\"n\":1}")).await.unwrap();
    assert_kind(write(&other, "a", None, Some("2")).await, ErrorKind::Locked);
    assert_kind(write(&other, "a", Some("2"), None).await, ErrorKind::Locked);
    write(&other, "a", Some("{\"n\":1}"), Some("2")).await.unwrap();
    assert_eq!(item(&store, "a").await.as_deref(), Some("2"));
    assert_eq!(store.system_item(DEAD, "a").await.unwrap(), None);
    // One that is only dropped may still hold the files for a moment.
    other.close().await.unwrap();
    drop(other);
    let store = f.reopen(store).await;
    assert_eq!(item(&store, "a").await.as_deref(), Some("2"));
    store.checkpoint().await.unwrap();
    let store = f.reopen(store).await;
    assert_eq!(item(&store, "a").await.as_deref(), Some("2"));
    write(&store, "a", Some("2"), None).await.unwrap();
    assert_kind(write(&store, "a", Some("2"), None).await, ErrorKind::Locked);
    let store = f.reopen(store).await;
    assert_eq!(item(&store, "a").await, None);
}

/// Several items are written whole or not at all.
pub async fn items_are_written_together(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    write(&store, "a", None, Some("1")).await.unwrap();
    let stale = vec![change("b", None, Some("1")), change("a", Some("0"), Some("2"))];
    assert_kind(store.write_system_items(stale).await, ErrorKind::Locked);
    assert_eq!((item(&store, "a").await.as_deref(), item(&store, "b").await), (Some("1"), None));
    let dead = SystemWrite::new(DEAD, "a", None, Some("x".to_owned()));
    let both = vec![change("b", None, Some("1")), change("a", Some("1"), None), dead];
    store.write_system_items(both).await.unwrap();
    assert_eq!((item(&store, "a").await, item(&store, "b").await.as_deref()), (None, Some("1")));
    assert_eq!(store.system_item(DEAD, "a").await.unwrap().as_deref(), Some("x"));
    // Each collection has items of its own under a key.
    let own = SystemCollection::ALL.iter().map(|collection| {
        SystemWrite::new(*collection, "own", None, Some(format!("\"{collection}\"")))
    });
    store.write_system_items(own.collect()).await.unwrap();
    for collection in SystemCollection::ALL {
        let found = store.system_items(*collection, "ow", None, NonZeroUsize::MIN).await.unwrap();
        assert_eq!(found[0].value, format!("\"{collection}\""));
    }
    let most = (0..SystemWrite::MAX_AT_ONCE).map(|n| change(&format!("m{n}"), None, Some("1")));
    store.write_system_items(most.collect()).await.unwrap();
    assert_eq!(keys(&store, "m", None, 100).await.len(), SystemWrite::MAX_AT_ONCE);
    store.write_system_items(Vec::new()).await.unwrap();
}

/// Items are listed by prefix, in the order of the bytes of their keys, page by page.
pub async fn items_are_listed_in_order(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let all = ["a", "a/1", "a/10", "a/2", "a0", "b/1", "b/ä", "b/\u{ff21}", "b/😀", "c%_"];
    for key in all {
        write(&store, key, None, Some("1")).await.unwrap();
    }
    assert_eq!(keys(&store, "", None, 100).await, all);
    assert_eq!(keys(&store, "a/", None, 100).await, ["a/1", "a/10", "a/2"]);
    assert_eq!(keys(&store, "a/", Some("a/1"), 1).await, ["a/10"]);
    assert_eq!(keys(&store, "a/", Some("a/2"), 9).await, [""; 0]);
    assert_eq!(keys(&store, "a/", Some("a"), 9).await, ["a/1", "a/10", "a/2"]);
    assert_eq!(keys(&store, "b/", None, 3).await, ["b/1", "b/ä", "b/\u{ff21}"]);
    assert_eq!(keys(&store, "c%", None, 9).await, ["c%_"]);
    assert_eq!(keys(&store, "_", None, 9).await, [""; 0]);
    assert_eq!(keys(&store, "nothing", None, 9).await, [""; 0]);
}

/// Of many that change an item at the same time, one does.
pub async fn one_of_many_changes_an_item(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let other = f.second(&store).await;
    write(&store, "a", None, Some("0")).await.unwrap();
    for round in 0..4_usize {
        let from = item(&store, "a").await.unwrap();
        let change = (0..8).map(|at: usize| {
            let handle = if at.is_multiple_of(2) { &store } else { &other };
            let (from, to) = (from.clone(), format!("{round}-{at}"));
            async move { write(handle, "a", Some(&from), Some(&to)).await }
        });
        let answers = futures::future::join_all(change).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        for error in answers.into_iter().filter_map(Result::err) {
            assert!(
                [ErrorKind::Locked, ErrorKind::Unavailable].contains(&error.kind()),
                "{error:?}"
            );
        }
    }
}

/// Items are no entities: no collection lists them, and the feed does not have them.
pub async fn items_are_no_entities(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let collections = store.collections().await.unwrap();
    super::feed_support::hold(&store, "a").await;
    let begin = store.head().await.unwrap();
    write(&store, "a", None, Some("1")).await.unwrap();
    assert_eq!(store.collections().await.unwrap(), collections);
    assert_eq!(super::feed_support::all_after(&store, Some(&begin), 9).await.0, []);
    assert_eq!(save(&store, &key("items", "a"), "").await, 1);
}

/// Keys and values out of bounds are refused, with nothing written.
pub async fn items_out_of_bounds_are_refused(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.open().await;
    assert_kind(store.system_item(CONSUMERS, "a").await, ErrorKind::NotFound);
    assert_kind(write(&store, "a", None, Some("1")).await, ErrorKind::NotFound);
    store.close().await.unwrap();
    let store = f.prepared().await;
    assert_kind(write(&store, "", None, Some("1")).await, ErrorKind::Invalid);
    let long = "x".repeat(SystemWrite::MAX_KEY_BYTES);
    write(&store, &long, None, Some("1")).await.unwrap();
    assert_eq!(keys(&store, "x", None, 9).await, [long]);
    let large = "x".repeat(SystemWrite::MAX_VALUE_BYTES);
    write(&store, "large", None, Some(&large)).await.unwrap();
    assert_eq!(item(&store, "large").await, Some(large.clone()));
    let larger = format!("{large}x");
    assert_kind(write(&store, "larger", None, Some(&larger)).await, ErrorKind::LimitExceeded);
    let twice = vec![change("t", None, Some("1")), change("t", None, Some("2"))];
    assert_kind(store.write_system_items(twice).await, ErrorKind::Invalid);
    assert_eq!(item(&store, "t").await, None);
    store.close().await.unwrap();
    let reader = f.open_with(f.options().with_read_only(true)).await.unwrap();
    assert_eq!(item(&reader, "large").await, Some(large));
    assert_kind(write(&reader, "r", None, Some("1")).await, ErrorKind::Unsupported);
}
