use std::sync::{Arc, Mutex};
use std::time::Duration;

use repo_core::strategy::ScanOptions;
use repo_core::{ErrorKind, HealthDepth, Result};
use repo_layers::{Inner, Layer, Operation, OperationKind, RetryLayer};

use crate::faults::{Fault, drain, faulty, get, hosts, key, one_by_one, save};

fn quick(max_attempts: u32) -> RetryLayer {
    RetryLayer::new(max_attempts, Duration::from_millis(1), Duration::from_millis(2)).unwrap()
}

/// What no retry layer may be: it takes every failure for one that passes.
#[derive(Debug)]
struct RepeatsEverything;

impl Layer for RepeatsEverything {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        match operation.clone().run(&**inner).await {
            Err(_) => operation.run(&**inner).await,
            done => done,
        }
    }
}

/// Saves through `layer` in a store that writes and then loses the answer.
/// Whether the caller is told that the outcome is unknown, and the store was
/// written once.
async fn writes_once(layer: impl Layer) -> bool {
    let (store, faults) = faulty().await;
    faults.plan(OperationKind::Commit, &[Fault::AnswerLost(ErrorKind::OutcomeUnknown)]);
    let answer = save(&layer.around(Arc::clone(&store)), "h").await;
    let told = answer.is_err_and(|error| error.kind() == ErrorKind::OutcomeUnknown);
    let stored = get(&store, "h").await.unwrap().unwrap().version.get();
    told && stored == 1 && faults.calls(OperationKind::Commit) == 1
}

#[tokio::test]
async fn a_write_of_unknown_outcome_is_not_repeated() {
    assert!(writes_once(quick(4)).await);
    assert!(!writes_once(RepeatsEverything).await, "the check finds a layer that repeats it");
}

#[tokio::test]
async fn what_was_not_applied_is_repeated() {
    let (store, faults) = faulty().await;
    let layered = quick(3).around(Arc::clone(&store));
    let unavailable = Fault::Refused(ErrorKind::Unavailable);
    faults.plan(OperationKind::Commit, &[unavailable, unavailable]);
    assert_eq!(save(&layered, "h").await.unwrap().version.get(), 1);
    assert_eq!(faults.calls(OperationKind::Commit), 3);

    let record = store.get_many(&hosts(), &[key("h").id]).await.unwrap().remove(0).unwrap();
    faults.plan(OperationKind::Apply, &[unavailable]);
    layered.apply(vec![record]).await.unwrap();
    assert_eq!(faults.calls(OperationKind::Apply), 2);
}

#[tokio::test]
async fn the_last_error_counts_the_attempts() {
    let (store, faults) = faulty().await;
    faults.plan(OperationKind::GetMany, &[Fault::Refused(ErrorKind::Unavailable); 9]);
    let error = get(&quick(3).around(store), "h").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.context_value("attempts"), Some("3"), "{error}");
    assert_eq!(faults.calls(OperationKind::GetMany), 3);
}

#[tokio::test]
async fn every_other_error_stands() {
    for &kind in ErrorKind::ALL {
        let (store, faults) = faulty().await;
        let layered = quick(2).around(store);
        faults.plan(OperationKind::Commit, &[Fault::Refused(kind)]);
        faults.plan(OperationKind::GetMany, &[Fault::Refused(kind)]);
        let _ = save(&layered, "h").await;
        let _ = get(&layered, "h").await;
        let passes = kind == ErrorKind::Unavailable;
        let reads_again = passes || kind == ErrorKind::OutcomeUnknown;
        let calls = |again: bool| if again { 2 } else { 1 };
        assert_eq!(faults.calls(OperationKind::Commit), calls(passes), "{kind}");
        assert_eq!(faults.calls(OperationKind::GetMany), calls(reads_again), "{kind}");
    }
}

#[tokio::test]
async fn closing_and_a_deep_check_are_not_repeated() {
    let (store, faults) = faulty().await;
    let layered = quick(4).around(store);
    for kind in [OperationKind::Close, OperationKind::DeepHealth, OperationKind::Health] {
        faults.plan(kind, &[Fault::Refused(ErrorKind::Unavailable)]);
    }
    layered.health(&HealthDepth::Deep(Arc::new(|_, _| {}))).await.unwrap_err();
    layered.health(&HealthDepth::Quick).await.unwrap();
    layered.close().await.unwrap_err();
    assert_eq!(faults.calls(OperationKind::DeepHealth), 1);
    assert_eq!(faults.calls(OperationKind::Health), 2);
    assert_eq!(faults.calls(OperationKind::Close), 1);
}

#[tokio::test]
async fn a_scan_is_repeated_until_it_yields_something() {
    let (store, faults) = faulty().await;
    for id in ["a", "b", "c"] {
        save(&store, id).await.unwrap();
    }
    let layered = quick(4).around(store);
    let unavailable = ErrorKind::Unavailable;
    let early = [Fault::Refused(unavailable), Fault::Breaks(0, unavailable)];
    faults.plan(OperationKind::Scan, &early);
    let (batches, error) = drain(layered.scan(&hosts(), one_by_one()).await.unwrap()).await;
    assert_eq!((batches, error.map(|error| error.kind())), (3, None));
    assert_eq!(faults.calls(OperationKind::Scan), 3);

    faults.plan(OperationKind::Scan, &[Fault::Breaks(1, unavailable)]);
    let (batches, error) = drain(layered.scan(&hosts(), one_by_one()).await.unwrap()).await;
    assert_eq!((batches, error.map(|error| error.kind())), (1, Some(unavailable)));
    assert_eq!(faults.calls(OperationKind::Scan), 4);
}

/// Opening and the first item are attempts at the same scan.
#[tokio::test]
async fn the_attempts_at_a_scan_are_counted_together() {
    let (store, faults) = faulty().await;
    let layered = quick(3).around(store);
    let unavailable = ErrorKind::Unavailable;
    let faults_of_scans =
        [Fault::Refused(unavailable), Fault::Breaks(0, unavailable), Fault::Breaks(0, unavailable)];
    faults.plan(OperationKind::Scan, &faults_of_scans);
    let records = layered.scan(&hosts(), ScanOptions::default()).await.unwrap();
    let (batches, error) = drain(records).await;
    assert_eq!(batches, 0);
    assert_eq!(error.unwrap().context_value("attempts"), Some("3"));
    assert_eq!(faults.calls(OperationKind::Scan), 3);
}

#[tokio::test]
async fn who_asked_is_told_of_each_repeat() {
    let (store, faults) = faulty().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = Arc::clone(&told);
    let layer = RetryLayer::new(4, Duration::from_millis(4), Duration::from_millis(8));
    let layer = layer.unwrap().notify(move |retry| {
        tells.lock().unwrap().push((retry.kind, retry.attempt, retry.error.kind(), retry.pause));
    });
    faults.plan(OperationKind::Commit, &[Fault::Refused(ErrorKind::Unavailable); 3]);
    save(&layer.around(store), "h").await.unwrap();

    let told = told.lock().unwrap();
    assert_eq!(told.len(), 3);
    let longest = [4, 8, 8].map(Duration::from_millis);
    for (at, (longest, (kind, attempt, error, pause))) in longest.iter().zip(&*told).enumerate() {
        assert_eq!((*kind, *error), (OperationKind::Commit, ErrorKind::Unavailable));
        assert_eq!(*attempt as usize, at + 1);
        assert!(pause <= longest && *pause >= *longest / 2, "{pause:?} of {longest:?}");
    }
}

#[test]
fn a_policy_that_makes_no_sense_is_refused() {
    let (short, long) = (Duration::from_millis(1), Duration::from_secs(1));
    for (attempts, min, max) in
        [(1, short, long), (0, short, long), (3, long, short), (3, Duration::ZERO, long)]
    {
        let error = RetryLayer::new(attempts, min, max).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
    }
}
