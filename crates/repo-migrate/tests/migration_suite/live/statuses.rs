//! What the status says of what keeps a switch from being made.

use repo_core::strategy::{LiveId, Record, StorageStrategyExt as _};
use repo_core::{Entity, Timestamp, Version};
use repo_migrate::Silent;
use repo_migrate::live::{self, LiveOptions, LivePhase, LivePlace as _};

use super::support::{Move, document, items, key};

fn record(id: &str, version: u64) -> Record {
    let at = Timestamp::from_micros(1).unwrap();
    Record::Live(Entity {
        collection: items(),
        id: key(id).id,
        version: Version::new(version).unwrap(),
        created_at: at,
        updated_at: at,
        document: document(id, 9),
    })
}

/// The differences of the last comparison have their names, of which no more than ten are kept.
#[tokio::test]
async fn differences_are_named() {
    let moving = Move::new("memory", "sqlite").await;
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    drop(stop);
    mover.await.unwrap().unwrap();
    let status = live::status(moving.stores()).await.unwrap();
    assert!(status.named_differences.is_empty() && status.oldest_transaction.is_none());
    let live: LiveId = status.live;
    let target = moving.target.open(Some(live)).await.unwrap();
    let strays = (0..12).map(|n| record(&format!("stray-{n:02}"), 4)).collect();
    target.apply(strays).await.unwrap();
    let found = live::verify(moving.stores(), &LiveOptions::default(), &Silent).await.unwrap();
    assert_eq!((found.differences, found.named.len()), (12, 12));
    let status = live::status(moving.stores()).await.unwrap();
    assert_eq!((status.phase, status.differences), (LivePhase::Following, Some(12)));
    assert_eq!(status.named_differences, found.named[..10]);
    let first = &status.named_differences[0];
    assert_eq!((first.key.as_str(), first.authority), ("items/stray-00", None));
    assert_eq!(first.other, Version::new(4).ok());
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(json["named_differences"][0]["key"], "items/stray-00");
    assert!(json["oldest_transaction"].is_null());
    let store = moving.source.store().await;
    store.save(key("after"), document("after", 1)).await.unwrap();
}
