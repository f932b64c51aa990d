//! Caches around stores whose answers can be held back.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use repo_core::strategy::{OpenOptions, Record, StorageStrategy as _, StorageStrategyExt as _};
use repo_core::{CollectionName, CollectionSchema, EntityId, MemoryStrategy, Result};
use repo_layers::{CacheLayer, Inner, Layer, Operation, OperationKind};
use tokio::sync::oneshot;

use crate::faults::{hosts, key};

/// Long enough for every test that is about something else.
pub(super) const TTL: Duration = Duration::from_secs(60);

/// A cache of 1 MB.
pub(super) fn cache() -> CacheLayer {
    CacheLayer::new(bytes(1_000_000), TTL).unwrap()
}

pub(super) fn bytes(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

/// Two handles on one store in memory, with the collection `hosts`.
pub(super) async fn two() -> (Inner, Inner) {
    let first = MemoryStrategy::new(OpenOptions::default());
    first.prepare(&[CollectionSchema::undeclared(hosts())]).await.unwrap();
    let second = first.share(OpenOptions::default());
    (Arc::new(first), Arc::new(second))
}

/// The version of a live host; `None` where there is none.
pub(super) async fn version(store: &Inner, id: &str) -> Option<u64> {
    let found = store.get(&hosts(), &key(id).id).await.unwrap();
    found.map(|entity| entity.version.get())
}

/// What is stored under an id, a tombstone too.
pub(super) async fn record(store: &Inner, id: &str) -> Option<Record> {
    store.get_many(&hosts(), &[key(id).id]).await.unwrap().remove(0)
}

/// Notes which ids are asked for, and holds back answers: what was asked is done, and the
/// caller learns of it when it is let go.
#[derive(Debug, Clone, Default)]
pub(super) struct Holding(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    kind: Option<OperationKind>,
    asked: Vec<Vec<String>>,
    answers: Vec<Option<oneshot::Sender<()>>>,
}

impl Holding {
    /// Holds back the answers of this kind from now on.
    pub(super) fn hold(&self, kind: OperationKind) {
        self.0.lock().unwrap().kind = Some(kind);
    }

    /// Holds nothing back any more; what is held stays so.
    pub(super) fn hold_nothing(&self) {
        self.0.lock().unwrap().kind = None;
    }

    /// Lets an answer go: the first one that was held is 0.
    pub(super) fn let_go(&self, nth: usize) {
        let answer = self.0.lock().unwrap().answers[nth].take().unwrap();
        // Who waited may have given up.
        let _ = answer.send(());
    }

    /// The ids of each `get_many` that reached the store.
    pub(super) fn asked(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap().asked.clone()
    }

    /// How many reads reached the store.
    pub(super) fn reads(&self) -> usize {
        self.0.lock().unwrap().asked.len()
    }
}

impl Layer for Holding {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        let kind = operation.kind();
        let done = operation.run(&**inner).await;
        let wait = {
            let mut held = self.0.lock().unwrap();
            (held.kind == Some(kind)).then(|| {
                let (go, wait) = oneshot::channel();
                held.answers.push(Some(go));
                wait
            })
        };
        if let Some(wait) = wait {
            wait.await.unwrap();
        }
        done
    }

    async fn get_many(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        let asked = ids.iter().map(ToString::to_string).collect();
        self.0.lock().unwrap().asked.push(asked);
        self.call(inner, repo_layers::operations::GetMany { collection, ids }).await
    }
}

/// A cache around a store in memory whose answers can be held back, and that store alone.
pub(super) async fn holding(cache: CacheLayer) -> (Inner, Holding, Inner) {
    let (store, other) = two().await;
    let holding = Holding::default();
    (cache.around(holding.clone().around(store)), holding, other)
}
