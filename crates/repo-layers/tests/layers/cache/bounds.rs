//! How much is kept.

use repo_core::Document;
use repo_core::strategy::StorageStrategyExt as _;
use repo_layers::CacheLayer;

use super::support::{TTL, bytes, cache, holding, version};
use crate::faults::{key, save};

#[tokio::test]
async fn no_more_bytes_are_kept_than_there_may_be() {
    let most = 100_000;
    let cache = CacheLayer::new(bytes(most), TTL).unwrap().keep_written();
    let (store, holding, _) = holding(cache.clone()).await;
    for nth in 0..200 {
        let text = format!(r#"{{"id": "{nth}", "text": "{}"}}"#, "x".repeat(5_000));
        store.save(key(&nth.to_string()), Document::parse(&text).unwrap()).await.unwrap();
    }
    let stats = cache.stats();
    assert!(stats.bytes <= most, "{stats:?}");
    assert!((1..=18).contains(&stats.entries), "{stats:?}");
    for nth in 0..200 {
        assert_eq!(version(&store, &nth.to_string()).await, Some(1));
    }
    assert!(holding.reads() >= 180, "what is not kept is read: {}", holding.reads());
    assert!(cache.stats().bytes <= most);
}

#[tokio::test]
async fn what_is_larger_than_the_bound_is_read_each_time() {
    let (store, holding, _) = holding(CacheLayer::new(bytes(1), TTL).unwrap()).await;
    save(&store, "h").await.unwrap();
    for _ in 0..3 {
        assert_eq!(version(&store, "h").await, Some(1));
    }
    assert!(holding.reads() >= 2);
}

#[tokio::test]
async fn hits_and_misses_are_counted() {
    let cache = cache();
    assert_eq!(cache.stats().entries, 0);
    let (store, ..) = holding(cache.clone()).await;
    for id in ["a", "b", "a", "a"] {
        assert_eq!(version(&store, id).await, None);
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.waits, stats.entries), (2, 2, 0, 2));
    assert!(stats.bytes > 0);
}
