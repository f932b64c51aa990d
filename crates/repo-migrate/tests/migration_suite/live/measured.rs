//! What a live migration counts.

use std::collections::BTreeMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use repo_core::strategy::StorageStrategyExt as _;
use repo_migrate::live::LivePhase;

use super::support::{Move, document, key};

#[test]
fn copied_records_changes_and_the_pause_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let work = async {
        let moving = Move::new("memory", "memory").await;
        let (mover, stop) = moving.begin();
        moving.until(LivePhase::Ready).await;
        let store = moving.routed().await;
        for n in 0..5 {
            store.save(key("late"), document("late", n)).await.unwrap();
        }
        moving.switch().await.unwrap();
        moving.until(LivePhase::Switched).await;
        store.save(key("there"), document("there", 1)).await.unwrap();
        let source = moving.source.store().await;
        while source.get(&super::support::items(), &key("there").id).await.unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        drop(stop);
        mover.await.unwrap().unwrap();
    };
    metrics::with_local_recorder(&recorder, || runtime.block_on(work));
    let values = snapshotter.snapshot().into_vec().into_iter();
    let values: BTreeMap<String, DebugValue> =
        values.map(|(key, _, _, value)| (key.key().name().to_owned(), value)).collect();
    let copied = &values["repository_live_copied_records_total"];
    assert_eq!(*copied, DebugValue::Counter(300));
    let DebugValue::Counter(carried) = values["repository_live_carried_changes_total"] else {
        panic!("{values:?}");
    };
    assert!(carried >= 1, "{carried}");
    let DebugValue::Gauge(behind) = values["repository_live_behind_seconds"] else {
        panic!("{values:?}");
    };
    assert!((0.0..60.0).contains(&behind.into_inner()), "{behind}");
    let DebugValue::Histogram(pauses) = &values["repository_live_pause_seconds"] else {
        panic!("{values:?}");
    };
    assert_eq!(pauses.len(), 1);
    assert!(pauses[0].into_inner() > 0.0);
}
