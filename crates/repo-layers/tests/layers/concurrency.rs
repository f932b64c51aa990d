use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{FutureExt as _, StreamExt as _, poll};
use repo_core::Result;
use repo_layers::{ConcurrencyLimitLayer, Inner, Layer, Operation, OperationKind};
use tokio::sync::Semaphore;

use crate::faults::{faulty, get, hosts, one_by_one, save};

/// Lets a read in, and lets it out when it is told to.
#[derive(Debug, Clone)]
struct Gate {
    entered: Arc<AtomicUsize>,
    out: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self { entered: Arc::default(), out: Arc::new(Semaphore::new(0)) }
    }

    fn entered(&self) -> usize {
        self.entered.load(Ordering::SeqCst)
    }
}

impl Layer for Gate {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        if operation.kind() == OperationKind::GetMany {
            self.entered.fetch_add(1, Ordering::SeqCst);
            self.out.acquire().await.unwrap().forget();
        }
        operation.run(&**inner).await
    }
}

fn limit(most: usize) -> ConcurrencyLimitLayer {
    ConcurrencyLimitLayer::new(NonZeroUsize::new(most).unwrap())
}

#[tokio::test]
async fn only_so_many_operations_are_under_way() {
    let (store, _) = faulty().await;
    let gate = Gate::new();
    let store = limit(2).around(gate.clone().around(store));
    let mut reads: Vec<_> = (0..6).map(|_| Box::pin(get(&store, "h"))).collect();
    for read in &mut reads {
        assert!(poll!(read).is_pending());
    }
    assert_eq!(gate.entered(), 2);

    gate.out.add_permits(1);
    assert!(poll!(&mut reads[0]).is_ready());
    // The place goes to who waited the longest, not to who asks first.
    for waiting in [5, 4, 3, 2] {
        assert!(poll!(&mut reads[waiting]).is_pending());
    }
    assert_eq!(gate.entered(), 3);
    gate.out.add_permits(2);
    assert!(poll!(&mut reads[1]).is_ready());
    assert!(poll!(&mut reads[2]).is_ready(), "the third came in after the first two");

    for waiting in [3, 4, 5] {
        assert!(poll!(&mut reads[waiting]).is_pending());
    }
    assert_eq!(gate.entered(), 5);
    // One who gives up makes room.
    drop(reads.remove(3));
    assert!(poll!(&mut reads[4]).is_pending());
    assert_eq!(gate.entered(), 6);
}

#[tokio::test]
async fn closing_waits_for_no_place() {
    let (store, _) = faulty().await;
    let gate = Gate::new();
    let store = limit(1).around(gate.clone().around(store));
    let mut read = Box::pin(get(&store, "h"));
    assert!(poll!(&mut read).is_pending());
    assert!(save(&store, "h").now_or_never().is_none(), "a write waits");
    store.close().now_or_never().expect("close does not wait").unwrap();
}

/// With a single place for operations, a caller writes what it scans.
#[tokio::test]
async fn an_open_scan_keeps_no_writer_waiting() {
    let (store, _) = faulty().await;
    for id in ["a", "b", "c"] {
        save(&store, id).await.unwrap();
    }
    let one = NonZeroUsize::MIN;
    for store in [limit(1).around(Arc::clone(&store)), limit(1).streams(one).around(store)] {
        let mut records = store.scan(&hosts(), one_by_one()).await.unwrap();
        let mut written = 0;
        while let Some(batch) = records.next().await {
            let id = batch.unwrap().records[0].id().to_string();
            save(&store, &id).now_or_never().expect("the scan holds no place").unwrap();
            written += 1;
        }
        assert_eq!(written, 3);
    }
}

#[tokio::test]
async fn a_stream_holds_its_place_until_it_ends_or_is_dropped() {
    let (store, _) = faulty().await;
    save(&store, "a").await.unwrap();
    let store = limit(8).streams(NonZeroUsize::MIN).around(store);
    let hosts = hosts();
    let scan = || store.scan(&hosts, one_by_one());

    let mut first = scan().await.unwrap();
    assert!(scan().now_or_never().is_none());
    assert!(first.next().await.is_some());
    assert!(scan().now_or_never().is_none());
    assert!(first.next().await.is_none());
    let second = scan().now_or_never().expect("the first one has ended").unwrap();
    assert!(scan().now_or_never().is_none());
    drop(second);
    assert!(scan().now_or_never().is_some(), "the second one is gone");
}
