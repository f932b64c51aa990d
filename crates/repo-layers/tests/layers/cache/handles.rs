//! Several handles, and their end.

use std::sync::Arc;

use repo_core::ErrorKind;
use repo_core::strategy::StorageStrategyExt as _;
use repo_layers::{Inner, Layer as _};

use super::support::{cache, two, version};
use crate::faults::{hosts, key, save};

/// Clones around the handles of one store are like one handle.
#[tokio::test]
async fn clones_see_what_the_others_write() {
    for cache in [cache(), cache().keep_written()] {
        let (one, other) = two().await;
        let (one, other) = (cache.clone().around(one), cache.around(other));
        for expected in 1..=4 {
            let (writer, reader) = if expected % 2 == 0 { (&one, &other) } else { (&other, &one) };
            save(writer, "h").await.unwrap();
            assert_eq!(version(reader, "h").await, Some(expected));
            assert_eq!(version(writer, "h").await, Some(expected));
        }
    }
}

/// Two stores with a host of the same id.
#[tokio::test]
async fn a_clone_around_another_store_keeps_for_itself() {
    let cache = cache();
    let ((one, _), (other, _)) = (two().await, two().await);
    let (one, other) = (cache.clone().around(one), cache.clone().around(other));
    save(&one, "h").await.unwrap();
    for _ in 0..2 {
        assert_eq!(version(&one, "h").await, Some(1));
        assert_eq!(version(&other, "h").await, None);
    }
    assert_eq!(cache.stats().hits, 1, "those of the first store");
}

#[tokio::test]
async fn a_closed_handle_answers_nothing_and_leaves_the_others() {
    let cache = cache();
    let (one, other) = two().await;
    let (one, other) = (cache.clone().around(one), cache.around(other));
    save(&one, "h").await.unwrap();
    for store in [&one, &other] {
        assert_eq!(version(store, "h").await, Some(1));
    }
    one.close().await.unwrap();
    let closed = one.get(&hosts(), &key("h").id).await.unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::Closed);
    assert_eq!(version(&other, "h").await, Some(1));
    save(&other, "h").await.unwrap();
    assert_eq!(version(&other, "h").await, Some(2));
    one.close().await.unwrap();
}

/// Reads and writes of many callers on two handles with one cache, over all threads: what
/// a caller read or wrote it never falls behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn versions_never_fall_for_anybody() {
    for cache in [cache(), cache().keep_written()] {
        let (one, other) = two().await;
        let stores: [Inner; 2] = [cache.clone().around(one), cache.around(other)];
        let callers: Vec<_> = (0..8_usize)
            .map(|caller| {
                let store = Arc::clone(&stores[caller % 2]);
                tokio::spawn(async move {
                    let mut known = 0;
                    for turn in 0..200_usize {
                        let id = if turn % 4 == 0 { "i" } else { "h" };
                        if (turn + caller) % 8 == 0 && id == "h" {
                            let written = save(&store, id).await.unwrap().version.get();
                            assert!(written > known, "{written} after {known}");
                            known = written;
                        } else if id == "h" {
                            let read = version(&store, id).await.unwrap_or(0);
                            assert!(read >= known, "{read} after {known}");
                            known = read;
                        } else {
                            save(&store, id).await.unwrap();
                        }
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
    }
}
