//! Old reads never become lost updates, and nobody meets the same old read twice.

use std::sync::Arc;

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{Document, ErrorKind, Precondition, RetryPolicy, Transaction, Write, transaction};
use repo_layers::{Inner, Layer as _};

use super::support::{cache, two, version};
use crate::faults::{document, hosts, key, save};

fn counted(number: u64) -> Document {
    Document::parse(&format!(r#"{{"id": "h", "n": {number}}}"#)).unwrap()
}

async fn count_up(store: &Inner, runs: &mut u32) -> repo_core::Result<()> {
    transaction(store, RetryPolicy::default(), async |tx| {
        *runs += 1;
        let stored = tx.get(&key("h")).await?;
        let count = match stored {
            Some(document) => document.deserialize::<serde_json::Value>()?["n"].as_u64(),
            None => None,
        };
        tx.save(key("h"), counted(count.unwrap_or(0) + 1));
        Ok(())
    })
    .await
}

/// Two handles, each with a cache of its own, count up in turn: each run begins with what
/// the handle read or wrote the last time, which is old.
#[tokio::test]
async fn a_transaction_that_runs_again_reads_the_store() {
    for keep_written in [false, true] {
        let cached = |store: Inner| match keep_written {
            true => cache().keep_written().around(store),
            false => cache().around(store),
        };
        let (one, other) = two().await;
        let (one, other) = (cached(one), cached(other));
        for store in [&one, &other] {
            assert_eq!(version(store, "h").await, None);
        }
        for turn in 1..=10_u64 {
            for store in [&one, &other] {
                let mut runs = 0;
                count_up(store, &mut runs).await.unwrap();
                assert!(runs <= 2, "{runs} runs in turn {turn}");
            }
        }
        let read = one.get(&hosts(), &key("h").id).await.unwrap().unwrap();
        let fresh = other.get(&hosts(), &key("h").id).await.unwrap().unwrap();
        assert!(fresh.document.equals(&counted(20)), "no update is lost: {}", fresh.document);
        assert!(read.version <= fresh.version);
    }
}

/// A condition that failed is forgotten, of a key that is only checked too.
#[tokio::test]
async fn a_conflict_forgets_what_failed() {
    let (one, other) = two().await;
    let one = cache().around(one);
    for id in ["checked", "bystander"] {
        save(&other, id).await.unwrap();
        assert_eq!(version(&one, id).await, Some(1));
        save(&other, id).await.unwrap();
    }
    let known = one.get(&hosts(), &key("checked").id).await.unwrap().unwrap().version;
    let writes = vec![
        Write::check(key("checked"), Precondition::Version(known)),
        Write::put(key("new"), document("new"), Precondition::Absent),
    ];
    let conflict = one.commit(writes).await.unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::Conflict);
    assert_eq!(version(&one, "checked").await, Some(2));
    assert_eq!(version(&one, "bystander").await, Some(1), "it did not fail");
}

/// A create and an update that the store refuses forget too.
#[tokio::test]
async fn what_is_there_or_gone_after_all_is_read_again() {
    let (one, other) = two().await;
    let one = cache().around(one);
    assert_eq!(version(&one, "h").await, None);
    save(&other, "h").await.unwrap();
    let there = one.create(key("h"), document("h")).await.unwrap_err();
    assert_eq!(there.kind(), ErrorKind::AlreadyExists);
    assert_eq!(version(&one, "h").await, Some(1));

    let seen = one.get(&hosts(), &key("h").id).await.unwrap().unwrap().version;
    other.delete(key("h")).await.unwrap();
    let gone = one.update(key("h"), document("h"), seen).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert_eq!(version(&one, "h").await, None);
}

/// What a transaction refuses by itself no commit checks.
#[tokio::test]
async fn a_transaction_refuses_nothing_because_of_an_old_read() {
    let (one, other) = two().await;
    let one = cache().around(one);
    save(&other, "h").await.unwrap();
    assert_eq!(version(&one, "h").await, Some(1));
    let newer = save(&other, "h").await.unwrap().version;
    let mut tx = Transaction::begin(Arc::clone(&one));
    tx.update(key("h"), document("h"), newer).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(version(&one, "h").await, Some(3));

    other.delete(key("h")).await.unwrap();
    assert_eq!(version(&one, "h").await, Some(3));
    let mut tx = Transaction::begin(Arc::clone(&one));
    tx.create(key("h"), document("h")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(version(&one, "h").await, Some(5));
}
