//! Following the change feed.

use std::sync::Arc;
use std::time::Duration;

use repo_core::strategy::{
    CaptureHolder, OpenOptions, StorageStrategy as _, StorageStrategyExt as _, StoreUpdate,
    StrategyFactory as _,
};
use repo_core::{CollectionSchema, ErrorKind, MemoryStrategy};
use repo_layers::{CacheLayer, Inner, Layer as _, OperationKind};
use repo_sql::SqliteFactory;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::support::{TTL, cache, two, version};
use crate::faults::{Fault, Faulty, hosts, key, save};

const PAUSE: Duration = Duration::from_millis(100);
/// Long enough for a look at the feed, far below the time to live.
const LOOK: Duration = Duration::from_millis(250);

fn following() -> CacheLayer {
    cache().follow(PAUSE).unwrap()
}

async fn capture(store: &Inner) {
    let holder = CaptureHolder::new("consumer", "a").unwrap();
    store.update_store_record(StoreUpdate::HoldCapture(holder)).await.unwrap();
}

/// A cache that follows, around a store whose calls are counted; and another handle of
/// the store, which captures changes.
async fn followed(cache: CacheLayer) -> (Inner, Faulty, Inner) {
    let (store, other) = two().await;
    capture(&other).await;
    let faults = Faulty::default();
    let store = cache.around(faults.clone().around(store));
    // The first read starts the task, which begins with an empty cache.
    version(&store, "begin").await;
    sleep(LOOK).await;
    (store, faults, other)
}

#[tokio::test(start_paused = true)]
async fn what_others_write_is_seen_after_a_look() {
    let (store, _, other) = followed(following()).await;
    assert_eq!(version(&store, "h").await, None);
    save(&other, "h").await.unwrap();
    assert_eq!(version(&store, "h").await, None);
    sleep(LOOK).await;
    assert_eq!(version(&store, "h").await, Some(1));
    other.delete(key("h")).await.unwrap();
    sleep(LOOK).await;
    assert_eq!(version(&store, "h").await, None);
}

/// More changes than are read at once.
#[tokio::test(start_paused = true)]
async fn a_look_reads_all_there_is() {
    let (store, _, other) = followed(following()).await;
    assert_eq!(version(&store, "last").await, None);
    for nth in 0..1_100 {
        save(&other, &nth.to_string()).await.unwrap();
    }
    save(&other, "last").await.unwrap();
    sleep(LOOK).await;
    assert_eq!(version(&store, "last").await, Some(1));
}

/// What a handle wrote comes back by the feed, and is kept nevertheless.
#[tokio::test(start_paused = true)]
async fn what_was_written_here_stays() {
    let (store, faults, _) = followed(following().keep_written()).await;
    for expected in 1..=3 {
        save(&store, "h").await.unwrap();
        sleep(LOOK).await;
        assert_eq!(version(&store, "h").await, Some(expected));
    }
    assert_eq!(faults.calls(OperationKind::GetMany), 1, "only the one that began");
}

#[tokio::test(start_paused = true)]
async fn without_capture_the_age_counts_until_there_is_one() {
    let (store, other) = two().await;
    let store = following().around(store);
    assert_eq!(version(&store, "h").await, None);
    sleep(LOOK).await;
    save(&other, "h").await.unwrap();
    sleep(TTL / 2 - LOOK * 2).await;
    assert_eq!(version(&store, "h").await, None);

    capture(&other).await;
    sleep(Duration::from_secs(31)).await;
    assert_eq!(version(&store, "h").await, Some(1));
    save(&other, "h").await.unwrap();
    sleep(LOOK).await;
    assert_eq!(version(&store, "h").await, Some(2));
}

/// What the follower missed it cannot tell of: it begins anew.
#[tokio::test(start_paused = true)]
async fn a_feed_that_expired_empties_the_cache() {
    let (store, faults, other) = followed(following()).await;
    assert_eq!(version(&store, "h").await, None);
    save(&other, "h").await.unwrap();
    let head = other.head().await.unwrap();
    other.trim_changes(&head).await.unwrap();
    save(&other, "i").await.unwrap();
    sleep(LOOK).await;
    assert_eq!(version(&store, "h").await, Some(1));
    assert!(faults.calls(OperationKind::Head) >= 2);
}

/// A feed that cannot be read for a while is read on from where it was.
#[tokio::test(start_paused = true)]
async fn a_feed_that_fails_is_read_on() {
    let (store, faults, other) = followed(following()).await;
    assert_eq!(version(&store, "h").await, None);
    faults.plan(OperationKind::Changes, &[Fault::Refused(ErrorKind::Unavailable); 5]);
    save(&other, "h").await.unwrap();
    sleep(PAUSE * 4).await;
    assert_eq!(version(&store, "h").await, None);
    sleep(PAUSE * 4).await;
    assert_eq!(version(&store, "h").await, Some(1));
    assert_eq!(faults.calls(OperationKind::Head), 1);
}

/// Nobody looks after the handle is closed, or dropped.
#[tokio::test(start_paused = true)]
async fn following_ends_with_the_handle() {
    for closed in [true, false] {
        let (store, faults, _other) = followed(following()).await;
        assert!(faults.calls(OperationKind::Changes) >= 1);
        if closed {
            store.close().await.unwrap();
        } else {
            drop(store);
        }
        sleep(LOOK).await;
        let looks = faults.calls(OperationKind::Changes);
        sleep(TTL).await;
        assert_eq!(faults.calls(OperationKind::Changes), looks);
    }
}

/// Of several clones one follows; when it is closed another one takes over.
#[tokio::test(start_paused = true)]
async fn one_of_several_clones_follows() {
    let (one, other) = two().await;
    capture(&other).await;
    let cache = following();
    let [first, second] = [Faulty::default(), Faulty::default()];
    let one = cache.clone().around(first.clone().around(one));
    let two = cache.around(second.clone().around(other));
    for store in [&one, &two] {
        version(store, "h").await;
    }
    sleep(LOOK).await;
    assert!(first.calls(OperationKind::Changes) >= 1);
    assert_eq!(second.calls(OperationKind::Changes), 0);
    one.close().await.unwrap();
    sleep(LOOK).await;
    version(&two, "h").await;
    sleep(LOOK).await;
    assert!(second.calls(OperationKind::Changes) >= 1);
}

/// A handle that is open for reading only has no feed, and does not ask for it twice.
#[tokio::test(start_paused = true)]
async fn a_handle_without_a_feed_reads_on() {
    let memory = MemoryStrategy::new(OpenOptions::default());
    memory.prepare(&[CollectionSchema::undeclared(hosts())]).await.unwrap();
    let reader = Arc::new(memory.share(OpenOptions::default().with_read_only(true)));
    let faults = Faulty::default();
    let store = following().around(faults.clone().around(reader));
    for _ in 0..5 {
        assert_eq!(version(&store, "h").await, None);
        sleep(LOOK).await;
    }
    assert_eq!(faults.calls(OperationKind::Head), 1);
}

/// The same between two handles of one file.
#[tokio::test]
async fn the_feed_of_a_file_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let file = json!({ "name": folder.path().join("store.db") });
    let open = async || SqliteFactory.open(&file, OpenOptions::default()).await.unwrap();
    let (store, other) = (open().await, open().await);
    store.prepare(&[CollectionSchema::undeclared(hosts())]).await.unwrap();
    capture(&other).await;
    let hour = Duration::from_secs(3_600);
    let cache = CacheLayer::new(CacheLayer::MAX_BYTES, hour).unwrap();
    let store = cache.follow(Duration::from_millis(5)).unwrap().around(store);
    let begun = Instant::now();
    for expected in 1..=5 {
        save(&other, "h").await.unwrap();
        while version(&store, "h").await != Some(expected) {
            assert!(begun.elapsed() < Duration::from_secs(60), "the feed is not followed");
            sleep(Duration::from_millis(2)).await;
        }
    }
    for handle in [store, other] {
        handle.close().await.unwrap();
    }
}

/// Without a runtime's task nothing is followed, and reads go on.
#[test]
fn without_a_runtime_reads_go_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (store, _) = runtime.block_on(two());
    drop(runtime);
    let store = following().around(store);
    let read = futures::executor::block_on(version(&store, "h"));
    assert_eq!(read, None);
}
