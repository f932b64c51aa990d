//! Histories: what they cost in requests, and what a commit holds while they are kept.

use std::num::NonZeroUsize;

use repo_core::strategy::{
    CaptureHolder, HistoryState, OlderState, OlderThan, OlderVersion, VersionWrite,
};

use super::*;

pub(super) const VERSIONS_TABLE: &str = "__versions\"";

fn since() -> HistoryState {
    HistoryState::new(Timestamp::from_micros(1).unwrap())
}

/// Begins or ends a history, whatever is stored.
pub(super) async fn keep(store: &DynamoStrategy, name: &str, on: bool) -> Result<usize> {
    let collection = key(name, "a").collection;
    let expected = store.store_record().await?.history.get(&collection).copied();
    let history = on.then(since);
    let update = StoreUpdate::History { collection, expected, history };
    Ok(store.update_store_record(update).await?.history.len())
}

pub(super) async fn begin(store: &DynamoStrategy, name: &str) {
    assert_eq!(keep(store, name, true).await.unwrap(), 1);
}

/// What the stored record of an id replaced: the versions, and whether each is more
/// than a mark.
pub(super) async fn replaced(store: &DynamoStrategy, name: &str, text: &str) -> Vec<(u64, bool)> {
    let of = [OlderThan::new(id(text), version(1_000))];
    let most = NonZeroUsize::new(1_000).unwrap();
    let found = store.older_versions(&key(name, "a").collection, &of, most).await.unwrap();
    found.iter().map(|o| (o.version.get(), o.state != OlderState::Removed)).collect()
}

fn capture(on: bool) -> StoreUpdate {
    let holder = CaptureHolder::new("consumer", "a").unwrap();
    match on {
        true => StoreUpdate::HoldCapture(holder),
        false => StoreUpdate::ReleaseCapture(holder),
    }
}

/// As [`filled`], with the history of `items` kept, of which the handle knows.
async fn keeping() -> (Proxy, DynamoStrategy) {
    let (proxy, store) = filled(|_, _, _| Fate::Forward).await;
    begin(&store, "items").await;
    proxy.take();
    (proxy, store)
}

/// The write units of these requests, all of whose items are below 1 KB: one for an
/// item, two for an item in a transaction.
fn write_units(seen: &[proxy::Seen]) -> usize {
    let units = |seen: &proxy::Seen| match seen.operation.as_str() {
        "UpdateItem" | "PutItem" => 1,
        "TransactWriteItems" => {
            let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
            2 * body["TransactItems"].as_array().unwrap().len()
        }
        _ => 0,
    };
    seen.iter().map(units).sum()
}

/// The requests and write units of an update, a new record, a delete, an applied
/// record: without anything, with the feed, with the history, with both.
#[tokio::test]
async fn what_a_write_costs_is_counted() {
    let (proxy, store) = filled(|_, _, _| Fate::Forward).await;
    let recorded = ["GetItem", "TransactWriteItems"];
    for (captures, keeps, units) in [
        (false, false, [1, 1, 1, 1]),
        (true, false, [4, 4, 4, 4]),
        (true, true, [6, 4, 6, 6]),
        (false, true, [4, 2, 4, 4]),
    ] {
        store.update_store_record(capture(captures)).await.unwrap();
        keep(&store, "items", keeps).await.unwrap();
        let new = format!("new {captures} {keeps}");
        proxy.take();
        let mut counted = Vec::new();
        let mut count = |plain| {
            let seen = proxy.take();
            let operations: Vec<&str> = seen.iter().map(|seen| seen.operation.as_str()).collect();
            let expected: &[&str] = if captures || keeps { &recorded } else { plain };
            assert_eq!(operations, expected, "{captures} {keeps}");
            counted.push(write_units(&seen));
        };
        store.save(key("items", "there"), document("there")).await.unwrap();
        count(&["UpdateItem"]);
        store.save(key("items", &new), document(&new)).await.unwrap();
        count(&["UpdateItem"]);
        store.delete(key("items", &new)).await.unwrap();
        count(&["UpdateItem"]);
        store.apply(vec![brought(&new, 9)]).await.unwrap();
        count(&["PutItem"]);
        assert_eq!(counted, units, "{captures} {keeps}");
        // What is kept of one collection costs another one nothing.
        store.save(key("notes", "there"), document("there")).await.unwrap();
        let others = write_units(&proxy.take());
        assert_eq!(others, if captures { 4 } else { 1 }, "{captures} {keeps}");
    }
    // Who writes is an item more, where there is a history to keep it with.
    let by = repo_core::Attribution::new(Some("ada"), None).unwrap();
    for (name, units) in [("items", 6), ("notes", 1)] {
        let write = put(name, "there", Precondition::Any);
        let write = write.attributed_to(Some(Arc::new(by.clone())));
        store.commit(vec![write]).await.unwrap();
        assert_eq!(write_units(&proxy.take()), units, "{name}");
    }
}

/// A query for each id, of which several are under way, and a look at the record.
#[tokio::test]
async fn older_versions_are_a_query_an_id() {
    let (proxy, store) = keeping().await;
    for _ in 0..3 {
        store.save(key("items", "there"), document("there")).await.unwrap();
    }
    proxy.take();
    assert_eq!(replaced(&store, "items", "there").await, [(3, true), (2, true), (1, true)]);
    assert_eq!(proxy.operations(), ["Query", "GetItem"]);
    let name = key("items", "a").collection;
    let of = ["a", "there", "b"].map(|text| OlderThan::new(id(text), version(3)));
    let most = NonZeroUsize::new(9).unwrap();
    let found = store.older_versions(&name, &of, most).await.unwrap();
    assert_eq!(found.iter().map(|older| older.version.get()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(proxy.operations(), ["Query", "Query", "Query", "GetItem"]);
    // Once there are enough, no other id is asked for.
    let most = NonZeroUsize::MIN;
    store.older_versions(&name, &of[1..], most).await.unwrap();
    assert_eq!(proxy.operations(), ["Query", "GetItem"]);
    let added = OlderVersion::new(
        id("b"),
        version(1),
        Timestamp::from_micros(1).unwrap(),
        OlderState::Deleted,
    );
    let writes = vec![
        VersionWrite::Add(added),
        VersionWrite::Clear(id("there"), version(1)),
        VersionWrite::Remove(id("there"), version(2)),
    ];
    store.write_versions(&name, writes).await.unwrap();
    let mut operations = proxy.operations();
    operations.sort_unstable();
    assert_eq!(operations, ["BatchGetItem", "DeleteItem", "GetItem", "PutItem", "UpdateItem"]);
}

#[tokio::test]
async fn a_kept_commit_of_too_many_keys_is_refused_before_anything_is_sent() {
    let (proxy, store) = keeping().await;
    let puts = |n: usize| -> Vec<Write> {
        (0..n).map(|at| put("items", &at.to_string(), Precondition::Any)).collect()
    };
    for (captures, most) in [(false, 33), (true, 25)] {
        store.update_store_record(capture(captures)).await.unwrap();
        let limits = store.capabilities();
        assert_eq!(limits.max_commit_keys, Some(most));
        assert_eq!(limits.max_commit_bytes, Some(2_000_000));
        proxy.take();
        let error = store.commit(puts(most + 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
        assert!(error.to_string().contains("history"), "{error}");
        assert_eq!(error.context_value("limit"), Some(most.to_string().as_str()));
        assert_eq!(proxy.operations(), [""; 0]);
        for _ in 0..2 {
            store.commit(puts(most)).await.unwrap();
        }
        assert_eq!(direct(&store).await.capabilities().max_commit_keys, Some(most));
    }
    keep(&store, "items", false).await.unwrap();
    assert_eq!(store.capabilities().max_commit_keys, Some(50));
}

/// What is replaced counts, though nobody knows it before it is read.
#[tokio::test]
async fn a_commit_that_replaces_too_much_is_refused() {
    let (proxy, store) = keeping().await;
    let text = "x".repeat(300_000);
    let large = |at: usize| {
        let text = format!("{{\"id\":\"{at}\",\"t\":\"{text}\"}}");
        Write::put(
            key("items", &at.to_string()),
            Document::parse(&text).unwrap(),
            Precondition::Any,
        )
    };
    store.commit((0..12).map(large).collect()).await.unwrap();
    proxy.take();
    let error = store.commit((0..12).map(large).collect()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert!(error.to_string().contains("what is replaced"), "{error}");
    assert_eq!(proxy.operations(), ["BatchGetItem"]);
    let most = store.capabilities().max_commit_bytes.unwrap() / 301_000;
    store.commit((0..most).map(large).collect()).await.unwrap();
    assert_eq!(replaced(&store, "items", "0").await, [(1, true)]);
    assert_eq!(replaced(&store, "items", "11").await, []);
}
