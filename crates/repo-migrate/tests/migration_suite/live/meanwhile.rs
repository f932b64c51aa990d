//! The authority changes hands while somebody else is at work on the same live migration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::future::BoxFuture;
use repo_core::strategy::{LiveId, StorageStrategyExt as _, SystemCollection};
use repo_core::{ErrorKind, Result};
use repo_layers::{Inner, Layer, Operation, OperationKind};
use repo_migrate::Silent;
use repo_migrate::live::{self, LiveOptions, LivePlace, LiveStores, SwitchOptions, SwitchReport};

use super::support::{Move, Place, Store, document, key, ready};

/// The source, which gives the authority to the target when it is asked for something for the first
/// time; programs then write to the target.
#[derive(Debug, Clone)]
struct Moves {
    source: Place,
    target: Place,
    when: OperationKind,
    moved: Arc<AtomicBool>,
}

impl Moves {
    fn when(when: OperationKind, moving: &Move) -> Self {
        let (source, target) = (moving.source.clone(), moving.target.clone());
        Self { source, target, when, moved: Arc::default() }
    }

    async fn change_hands(&self) {
        let stores = LiveStores { source: &self.source, target: &self.target };
        // This is called by a switch itself, so its future would hold one of its own kind.
        let switching: BoxFuture<'_, Result<SwitchReport>> =
            Box::pin(live::switch(stores, SwitchOptions::default()));
        assert!(switching.await.unwrap().switched);
        write_some(&self.target.store().await).await;
    }
}

impl Layer for Moves {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        if operation.kind() == self.when && !self.moved.swap(true, Ordering::Relaxed) {
            self.change_hands().await;
        }
        operation.run(&**inner).await
    }
}

#[async_trait]
impl LivePlace for Moves {
    async fn open(&self, works_for: Option<LiveId>) -> Result<Store> {
        Ok(self.clone().around(LivePlace::open(&self.source, works_for).await?))
    }
}

async fn write_some(store: &Store) {
    for n in 10..30 {
        let id = format!("old-{n:03}");
        store.save(key(&id), document(&id, n)).await.unwrap();
    }
}

/// What the store that has taken over is ahead by is no difference, and there is none either
/// when the authority comes back.
#[tokio::test]
async fn a_comparison_across_a_switch_is_made_again() {
    let moving = Move::new("memory", "memory").await;
    ready(&moving).await;
    let source = Moves::when(OperationKind::Collections, &moving);
    let stores = LiveStores { source: &source, target: &moving.target };
    let found = live::verify(stores, &LiveOptions::default(), &Silent).await.unwrap();
    assert!(source.moved.load(Ordering::Relaxed));
    assert_eq!((found.finished, found.differences), (true, 0), "{found:?}");
    for _ in 0..2 {
        assert!(live::back(moving.stores(), SwitchOptions::default()).await.unwrap().switched);
        assert_eq!(live::status(moving.stores()).await.unwrap().differences, Some(0));
        assert!(moving.switch().await.unwrap().switched);
    }
}

/// The same for an operator who was slower than another one.
#[tokio::test]
async fn an_operator_who_is_late_notes_no_difference() {
    let moving = Move::new("memory", "memory").await;
    ready(&moving).await;
    write_some(&moving.source.store().await).await;
    let source = Moves::when(OperationKind::Changes, &moving);
    let stores = LiveStores { source: &source, target: &moving.target };
    let error = live::switch(stores, SwitchOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    let store = moving.source.store().await;
    let live = live::status(moving.stores()).await.unwrap().live.to_string();
    let kept = store.system_item(SystemCollection::Live, &live).await.unwrap().unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["verified"]["differences"], 0, "{kept}");
    assert!(live::back(moving.stores(), SwitchOptions::default()).await.unwrap().switched);
    let verified = live::verify(moving.stores(), &LiveOptions::default(), &Silent).await.unwrap();
    assert_eq!((verified.finished, verified.differences), (true, 0));
}
