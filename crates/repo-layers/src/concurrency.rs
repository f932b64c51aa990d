//! Bounding how much is under way at once.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures_util::StreamExt as _;
use repo_core::strategy::{RecordStream, ScanOptions};
use repo_core::{CollectionName, Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Inner, Layer, Operation, OperationKind, operations as op};

/// Lets a number of operations through at once; the others wait their turn, in
/// the order in which they came.
///
/// Streams of records have a limit of their own, none unless it is set. A scan
/// is read while other operations are made: were it to count among them, callers
/// who write what they scan would hold all places with their scans and wait for
/// ever for one to write. So a stream takes no place among the operations except
/// while it is being opened, and holds one among the streams until it ends or is
/// dropped. A caller who reads several streams at once needs that many places,
/// times the number of such callers; with fewer they wait for each other.
///
/// `close` waits for nothing.
#[derive(Debug, Clone)]
pub struct ConcurrencyLimitLayer {
    operations: Arc<Semaphore>,
    streams: Option<Arc<Semaphore>>,
}

impl ConcurrencyLimitLayer {
    /// At most `most` operations at once.
    #[must_use]
    pub fn new(most: NonZeroUsize) -> Self {
        Self { operations: semaphore(most), streams: None }
    }

    /// At most `most` streams at once.
    #[must_use]
    pub fn streams(self, most: NonZeroUsize) -> Self {
        Self { streams: Some(semaphore(most)), ..self }
    }

    async fn with_place(
        &self,
        kind: OperationKind,
        open: impl Future<Output = Result<RecordStream>>,
    ) -> Result<RecordStream> {
        let Some(streams) = &self.streams else { return open.await };
        let place = place(streams, kind).await?;
        let records = open.await?;
        let held = futures_util::stream::unfold((records, place), async |(mut records, place)| {
            let batch = records.next().await?;
            Some((batch, (records, place)))
        });
        Ok(held.fuse().boxed())
    }
}

/// More places than tokio's semaphore counts are as good as no limit.
fn semaphore(most: NonZeroUsize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(most.get().min(Semaphore::MAX_PERMITS)))
}

async fn place(places: &Arc<Semaphore>, kind: OperationKind) -> Result<OwnedSemaphorePermit> {
    // Nothing closes the semaphore.
    Arc::clone(places).acquire_owned().await.map_err(|source| {
        let why = "the limit of operations is gone";
        Error::new(ErrorKind::Unavailable, kind.as_str(), why).caused_by(source)
    })
}

impl Layer for ConcurrencyLimitLayer {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        let kind = operation.kind();
        if kind == OperationKind::Close {
            return operation.run(&**inner).await;
        }
        let _place = place(&self.operations, kind).await?;
        operation.run(&**inner).await
    }

    async fn scan(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        let open = self.call(inner, op::Scan { collection, options });
        self.with_place(OperationKind::Scan, open).await
    }
}
