//! The change feed while many write.

use std::sync::Arc;

use repo_core::{ErrorKind, Key, Precondition, Write};

use super::feed_support::{
    Seen, all_after, assert_rising, assert_seen, capturing, hold, offered, read, seen,
};
use super::support::{delete, fill, key, live, put, save};
use crate::{Fixture, Store};

/// A handle that was opened before capture was switched on is captured from then on.
pub async fn a_handle_that_was_open_before_is_captured(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let writer = f.second(&store).await;
    save(&writer, &key("items", "before"), "").await;
    hold(&store, "a").await;
    let begin = store.head().await.unwrap();
    save(&writer, &key("items", "after"), "").await;
    writer.apply(vec![live(&key("notes", "applied"), 3, "", 1)]).await.unwrap();
    delete(&writer, &key("items", "before")).await;
    writer
        .commit(vec![put(&key("items", "one"), ""), put(&key("things", "two"), "")])
        .await
        .unwrap();
    let expected = [
        ("after", 1, false),
        ("applied", 3, false),
        ("before", 2, true),
        ("one", 1, false),
        ("two", 1, false),
    ];
    assert_seen(&all_after(&store, Some(&begin), 3).await.0, &expected);
    assert_seen(&all_after(&writer, Some(&begin), 3).await.0, &expected);
}

/// A feed of many changes of many keys is read whole.
pub async fn a_long_feed_is_read_whole(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    let keys: Vec<Key> = (0..400).map(|n| key("items", &format!("k{n:03}"))).collect();
    fill(&store, keys.iter().map(|key| put(key, "\"n\":1")).collect()).await;
    fill(&store, keys.iter().map(|key| put(key, "\"n\":2")).collect()).await;
    let (changes, _) = all_after(&store, Some(&begin), 150).await;
    assert_eq!(changes.len(), 800);
    assert_rising(&changes);
    assert!(changes.iter().filter(|change| change.exact).count() >= 400);
}

/// While many write at the same time through two handles, and somebody reads, every
/// acknowledged version of each key is in the feed, once and in order.
pub async fn nothing_is_lost_while_many_write(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    let other = f.second(&store).await;
    let ids = ["a", "b", "c"];
    let write = |writer: usize| {
        let handle = Arc::clone(if writer.is_multiple_of(2) { &store } else { &other });
        async move {
            let mut acknowledged = Vec::new();
            for round in 0..12 {
                let key = key("items", ids[(writer + round) % ids.len()]);
                let gone = (writer + round).is_multiple_of(5);
                let write = if gone {
                    Write::delete(key.clone(), Precondition::Any)
                } else {
                    put(&key, &format!("\"n\":{round}"))
                };
                let written = retried(&handle, write).await;
                if let Some(version) = written {
                    acknowledged.push((key.id.to_string(), version, gone));
                }
            }
            acknowledged
        }
    };
    let follow = async {
        let (mut all, mut at) = (Vec::new(), begin.clone());
        for _ in 0..30 {
            let mut found = read(&store, Some(&at), 5).await;
            all.append(&mut found.changes);
            at = found.next;
            tokio::task::yield_now().await;
        }
        (all, at)
    };
    let writers = futures::future::join_all((0..6).map(write));
    let (acknowledged, (mut changes, at)) = futures::future::join(writers, follow).await;
    changes.extend(all_after(&store, Some(&at), 50).await.0);
    assert_rising(&changes);
    let mut acknowledged: Vec<Seen> = acknowledged.into_iter().flatten().collect();
    acknowledged.sort();
    let mut delivered = seen(&changes);
    delivered.sort();
    assert_eq!(delivered, acknowledged);
}

/// Commits until it is not refused because others were faster; the version that was
/// written, if any.
async fn retried(store: &Store, write: Write) -> Option<u64> {
    loop {
        match store.commit(vec![write.clone()]).await {
            Ok(written) => return written[0].version().map(repo_core::Version::get),
            Err(error) if error.kind() == ErrorKind::Unavailable => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Capture that is switched on while many write: whatever was acknowledged after the
/// answer is in the feed.
pub async fn capture_begins_while_many_write(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let other = f.second(&store).await;
    let begun = std::sync::atomic::AtomicBool::new(false);
    let write = |writer: usize| {
        let (handle, begun) =
            (Arc::clone(if writer.is_multiple_of(2) { &store } else { &other }), &begun);
        async move {
            let mut after = Vec::new();
            let mut round = 0;
            while round < 10 || !begun.load(std::sync::atomic::Ordering::Acquire) {
                let on = begun.load(std::sync::atomic::Ordering::Acquire);
                let key = key("items", &format!("w{}", writer % 3));
                let version = retried(&handle, put(&key, &format!("\"n\":{round}"))).await;
                if let (true, Some(version)) = (on, version) {
                    after.push((key.id.to_string(), version, false));
                }
                round += 1;
                tokio::task::yield_now().await;
            }
            after
        }
    };
    let switch = async {
        hold(&store, "a").await;
        begun.store(true, std::sync::atomic::Ordering::Release);
    };
    let (written, ()) =
        futures::future::join(futures::future::join_all((0..6).map(write)), switch).await;
    let (changes, _) = all_after(&store, None, 50).await;
    assert_rising(&changes);
    let delivered = seen(&changes);
    for acknowledged in written.into_iter().flatten() {
        assert!(delivered.contains(&acknowledged), "{acknowledged:?} is not in {delivered:?}");
    }
}
