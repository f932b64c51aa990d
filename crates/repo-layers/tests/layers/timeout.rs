use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use repo_core::{CollectionSchema, ErrorKind, HealthDepth};
use repo_layers::{Layer as _, OperationKind, RetryLayer, TimeoutLayer};

use crate::faults::{Fault, drain, faulty, get, hosts, one_by_one, save};

const SHORT: Duration = Duration::from_millis(20);

fn short() -> TimeoutLayer {
    TimeoutLayer::new().read(SHORT).write(SHORT)
}

#[tokio::test]
async fn a_read_that_takes_too_long_is_unavailable() {
    let (store, faults) = faulty().await;
    faults.plan(OperationKind::GetMany, &[Fault::Hangs]);
    let layered = short().around(store);
    let error = get(&layered, "h").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.operation(), "get_many");
    assert_eq!(error.context_value("limit_ms"), Some("20"));
    assert_eq!(get(&layered, "h").await.unwrap(), None);
}

#[tokio::test]
async fn a_write_that_takes_too_long_may_have_been_applied() {
    let (store, faults) = faulty().await;
    faults.plan(OperationKind::Commit, &[Fault::Hangs]);
    let error = save(&short().around(store), "h").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert!(error.hint_text().unwrap().contains("read what is stored"), "{error:?}");
}

#[tokio::test]
async fn a_job_has_a_limit_of_its_own() {
    let (store, faults) = faulty().await;
    let schemas = [CollectionSchema::undeclared(hosts())];
    faults.plan(OperationKind::Prepare, &[Fault::Slow(SHORT * 3)]);
    short().around(Arc::clone(&store)).prepare(&schemas).await.unwrap();

    let layered = TimeoutLayer::new().job(SHORT).around(store);
    faults.plan(OperationKind::Prepare, &[Fault::Hangs]);
    let error = layered.prepare(&schemas).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    faults.plan(OperationKind::DeepHealth, &[Fault::Hangs]);
    let error = layered.health(&HealthDepth::Deep(Arc::new(|_, _| {}))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn closing_has_no_limit() {
    let (store, faults) = faulty().await;
    faults.plan(OperationKind::Close, &[Fault::Slow(SHORT * 3)]);
    short().job(SHORT).around(store).close().await.unwrap();
}

/// The time is that of the store, not of the caller between two batches.
#[tokio::test]
async fn each_batch_of_a_scan_has_the_time_of_a_read() {
    let (store, faults) = faulty().await;
    for id in ["a", "b", "c"] {
        save(&store, id).await.unwrap();
    }
    let layered = short().around(store);
    let mut records = layered.scan(&hosts(), one_by_one()).await.unwrap();
    let mut seen = 0;
    while let Some(batch) = records.next().await {
        batch.unwrap();
        seen += 1;
        tokio::time::sleep(SHORT * 2).await;
    }
    assert_eq!(seen, 3);

    faults.plan(OperationKind::Scan, &[Fault::Stalls(2)]);
    let (batches, error) = drain(layered.scan(&hosts(), one_by_one()).await.unwrap()).await;
    let error = error.unwrap();
    assert_eq!((batches, error.kind()), (2, ErrorKind::Unavailable));
    assert_eq!(error.context_value("collection"), Some("hosts"));
}

/// Within a retry the limit is for each attempt, around it for all together.
#[tokio::test]
async fn a_timeout_around_a_retry_is_for_all_attempts() {
    let (store, faults) = faulty().await;
    let retry = RetryLayer::new(1_000, Duration::from_millis(1), Duration::from_millis(2)).unwrap();
    faults.plan(OperationKind::GetMany, &[Fault::Hangs, Fault::Hangs]);
    let inside = retry.clone().around(short().around(Arc::clone(&store)));
    assert_eq!(get(&inside, "h").await.unwrap(), None);
    assert_eq!(faults.calls(OperationKind::GetMany), 3);

    let around = short().around(retry.around(store));
    faults.plan(OperationKind::GetMany, &[Fault::Refused(ErrorKind::Unavailable); 1_000]);
    let error = get(&around, "h").await.unwrap_err();
    assert_eq!(error.context_value("limit_ms"), Some("20"), "{error}");
}
