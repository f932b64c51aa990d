//! A layer that makes a sound store fail.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use repo_core::strategy::{OpenOptions, RecordStream, ScanOptions, StorageStrategyExt as _};
use repo_core::{
    CollectionName, CollectionSchema, Document, Entity, Error, ErrorKind, Key, MemoryStrategy,
    Result,
};
use repo_layers::{Inner, Layer, Operation, OperationKind};

/// What happens to one call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// It is not done, and fails.
    Refused(ErrorKind),
    /// It is done, and fails.
    AnswerLost(ErrorKind),
    /// It never ends.
    Hangs,
    /// It takes that long.
    Slow(Duration),
    /// The stream fails after so many batches.
    Breaks(usize, ErrorKind),
    /// The stream hangs after so many batches.
    Stalls(usize),
}

#[derive(Debug, Default)]
struct State {
    faults: HashMap<OperationKind, Vec<Fault>>,
    calls: HashMap<OperationKind, usize>,
}

/// Makes the next calls of a kind fail, and counts the calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faulty(Arc<Mutex<State>>);

impl Faulty {
    /// The next calls of this kind fail so, one after the other; those after
    /// them do not.
    pub(crate) fn plan(&self, kind: OperationKind, faults: &[Fault]) {
        let mut faults = faults.to_vec();
        faults.reverse();
        self.0.lock().unwrap().faults.insert(kind, faults);
    }

    pub(crate) fn calls(&self, kind: OperationKind) -> usize {
        self.0.lock().unwrap().calls.get(&kind).copied().unwrap_or_default()
    }

    fn next(&self, kind: OperationKind) -> Option<Fault> {
        let mut state = self.0.lock().unwrap();
        *state.calls.entry(kind).or_default() += 1;
        state.faults.get_mut(&kind)?.pop()
    }
}

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "a test", "the fault that was asked for")
}

impl Layer for Faulty {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        match self.next(operation.kind()) {
            Some(Fault::Refused(kind)) => return Err(error(kind)),
            Some(Fault::AnswerLost(kind)) => {
                operation.run(&**inner).await?;
                return Err(error(kind));
            }
            Some(Fault::Hangs) => std::future::pending::<()>().await,
            Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
            Some(Fault::Breaks(..) | Fault::Stalls(_)) | None => {}
        }
        operation.run(&**inner).await
    }

    async fn scan(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        let records = inner.scan(collection, options).await?;
        Ok(match self.next(OperationKind::Scan) {
            Some(Fault::Refused(kind)) => return Err(error(kind)),
            Some(Fault::Breaks(after, kind)) => {
                let broken = stream::once(async move { Err(error(kind)) });
                records.take(after).chain(broken).boxed()
            }
            Some(Fault::Stalls(after)) => records.take(after).chain(stream::pending()).boxed(),
            _ => records,
        })
    }
}

/// A memory store with a collection `hosts`, and the layer around it that makes
/// it fail.
pub(crate) async fn faulty() -> (Inner, Faulty) {
    let memory: Inner = Arc::new(MemoryStrategy::new(OpenOptions::default()));
    memory.prepare(&[CollectionSchema::undeclared(hosts())]).await.unwrap();
    let faulty = Faulty::default();
    (faulty.clone().around(memory), faulty)
}

pub(crate) fn hosts() -> CollectionName {
    CollectionName::new("hosts").unwrap()
}

pub(crate) fn key(id: &str) -> Key {
    Key::new(hosts(), id.parse().unwrap())
}

pub(crate) fn document(id: &str) -> Document {
    Document::parse(&format!(r#"{{"id": "{id}"}}"#)).unwrap()
}

pub(crate) async fn save(store: &Inner, id: &str) -> Result<Entity> {
    store.save(key(id), document(id)).await
}

pub(crate) async fn get(store: &Inner, id: &str) -> Result<Option<Entity>> {
    store.get(&hosts(), &key(id).id).await
}

/// One record in each batch.
pub(crate) fn one_by_one() -> ScanOptions {
    ScanOptions::default().with_batch_size(std::num::NonZeroUsize::MIN)
}

/// How many batches a scan yields, and the error that ends it.
pub(crate) async fn drain(mut records: RecordStream) -> (usize, Option<Error>) {
    let (mut batches, mut failed) = (0, None);
    while let Some(batch) = records.next().await {
        match batch {
            Ok(_) => batches += 1,
            Err(error) => failed = Some(error),
        }
    }
    (batches, failed)
}
