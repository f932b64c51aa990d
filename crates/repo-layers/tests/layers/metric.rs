use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use repo_core::ErrorKind;
use repo_core::strategy::{ScanOptions, StorageStrategyExt as _};
use repo_layers::{CacheLayer, Layer as _, MetricsLayer, OperationKind, RetryLayer};

use crate::faults::{Fault, document, drain, faulty, get, hosts, key, save};

/// What a recorder holds after `work`: `name{label="value",…}` and the count.
fn recorded(work: impl Future<Output = ()>) -> Vec<(String, u64)> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(work));
    let values = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let key = key.key();
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let count = match value {
            DebugValue::Counter(count) => count,
            DebugValue::Histogram(samples) => samples.len() as u64,
            DebugValue::Gauge(_) => panic!("there are no gauges"),
        };
        (format!("{}{{{}}}", key.name(), labels.join(",")), count)
    });
    values.collect()
}

#[test]
fn reads_of_a_cache_are_counted_by_what_came_of_them() {
    let recorded = recorded(async {
        let (store, _) = faulty().await;
        let minute = Duration::from_secs(60);
        let cache = CacheLayer::new(CacheLayer::MAX_BYTES, minute).unwrap();
        let store = cache.around(store);
        for id in ["a", "b", "a", "a"] {
            get(&store, id).await.unwrap();
        }
        for id in ["c", "c"] {
            get(&store, id).await.unwrap();
        }
    });
    let name =
        |outcome| format!("repository_cache_reads_total{{strategy=memory,outcome={outcome}}}");
    let count = |outcome| {
        let found = recorded.iter().find(|(recorded, _)| *recorded == name(outcome));
        found.map(|(_, count)| *count)
    };
    assert_eq!((count("hit"), count("miss"), count("wait")), (Some(3), Some(3), None));
}

#[test]
fn operations_errors_conflicts_retries_and_records_are_counted() {
    let recorded = recorded(async {
        let (store, faults) = faulty().await;
        let retry = RetryLayer::new(3, Duration::from_millis(1), Duration::from_millis(1));
        let store = MetricsLayer::new().around(retry.unwrap().around(store));
        let first = save(&store, "a").await.unwrap();
        store.update(key("a"), document("a"), first.version).await.unwrap();
        store.update(key("a"), document("a"), first.version).await.unwrap_err();
        faults.plan(OperationKind::GetMany, &[Fault::Refused(ErrorKind::Unavailable); 2]);
        get(&store, "a").await.unwrap();
        save(&store, "b").await.unwrap();
        drain(store.scan(&hosts(), ScanOptions::default()).await.unwrap()).await;
        faults.plan(OperationKind::Scan, &[Fault::Breaks(0, ErrorKind::Corrupt)]);
        drain(store.scan(&hosts(), ScanOptions::default()).await.unwrap()).await;
        store.close().await.unwrap();
    });
    let commits = "strategy=memory,operation=commit,collection=hosts";
    let scans = "strategy=memory,operation=scan,collection=hosts";
    for (name, count) in [
        (format!("repository_operations_total{{{commits},outcome=ok}}"), 3),
        (format!("repository_operations_total{{{commits},outcome=Conflict}}"), 1),
        (format!("repository_operation_duration_seconds{{{commits}}}"), 4),
        ("repository_errors_total{strategy=memory,operation=commit,kind=Conflict}".into(), 1),
        ("repository_conflicts_total{strategy=memory,collection=hosts}".into(), 1),
        ("repository_retries_total{operation=get_many}".into(), 2),
        (format!("repository_operations_total{{{scans},outcome=ok}}"), 2),
        (format!("repository_streamed_records_total{{{scans}}}"), 2),
        ("repository_errors_total{strategy=memory,operation=scan,kind=Corrupt}".into(), 1),
        (
            "repository_operations_total{strategy=memory,operation=close,collection=,outcome=ok}"
                .into(),
            1,
        ),
    ] {
        let found = recorded.iter().find(|(recorded, _)| *recorded == name);
        assert_eq!(found.map(|(_, count)| *count), Some(count), "{name} in {recorded:#?}");
    }
}
