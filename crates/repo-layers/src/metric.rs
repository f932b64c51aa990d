//! Counting what happens, by the `metrics` facade.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::{Stream, StreamExt as _};
use metrics::{Label, SharedString, counter, histogram};
use repo_core::strategy::RecordStream;
use repo_core::{CollectionName, Error, ErrorKind, Result};

use crate::{Inner, Layer, Operation, OperationKind};

/// Counts and times operations, for the recorder that the program installed with
/// the `metrics` crate.
///
/// | metric | kind | labels | counts |
/// |---|---|---|---|
/// | `repository_operations_total` | counter | `strategy`, `operation`, `collection`, `outcome` | operations that ended; `outcome` is `ok` or the kind of the error |
/// | `repository_operation_duration_seconds` | histogram | `strategy`, `operation`, `collection` | how long each took; of a scan, its opening |
/// | `repository_errors_total` | counter | `strategy`, `operation`, `kind` | errors by [`ErrorKind`], of operations and of streams |
/// | `repository_conflicts_total` | counter | `strategy`, `collection` | commits refused because another writer was faster (`Conflict`) |
/// | `repository_streamed_records_total` | counter | `strategy`, `operation`, `collection` | records that scans yielded |
/// | `repository_retries_total` | counter | `operation` | attempts that [`RetryLayer`](crate::RetryLayer) made again, with or without this layer |
/// | `repository_cache_reads_total` | counter | `strategy`, `outcome` | ids that were asked of a `CacheLayer`, with or without this layer; `outcome` is `hit`, `miss`, or `wait` for somebody else's read |
///
/// `strategy` is what [`location`](repo_core::strategy::StorageStrategy::location)
/// begins with, such as `json` or `sqlite`. `collection` is empty for an
/// operation about none or several. No label holds an id.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct MetricsLayer;

impl MetricsLayer {
    /// The layer.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Layer for MetricsLayer {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        let about = About::new(inner, operation.kind(), operation.collection());
        let begun = Instant::now();
        let done = operation.run(&**inner).await;
        histogram!("repository_operation_duration_seconds", about.labels())
            .record(begun.elapsed().as_secs_f64());
        let outcome = match &done {
            Ok(_) => "ok",
            Err(error) => {
                about.count_error(error);
                error.kind().as_str()
            }
        };
        let mut labels = about.labels();
        labels.push(Label::from_static_parts("outcome", outcome));
        counter!("repository_operations_total", labels).increment(1);
        done
    }

    fn stream(
        &self,
        inner: &Inner,
        kind: OperationKind,
        collection: Option<&CollectionName>,
        records: RecordStream,
    ) -> RecordStream {
        Counted { records, about: About::new(inner, kind, collection) }.boxed()
    }
}

pub(crate) fn count_retry(kind: OperationKind) {
    counter!("repository_retries_total", "operation" => kind.as_str()).increment(1);
}

/// Counts ids that were asked of a cache, by what came of it.
#[cfg(feature = "cache")]
pub(crate) fn count_cached(inner: &Inner, reads: [(&'static str, usize); 3]) {
    let strategy = shared(strategy(inner));
    for (outcome, count) in reads {
        if count > 0 {
            counter!(
                "repository_cache_reads_total", "strategy" => strategy.clone(), "outcome" => outcome
            )
            .increment(count as u64);
        }
    }
}

/// What the labels say.
struct About {
    strategy: SharedString,
    kind: OperationKind,
    collection: SharedString,
}

impl About {
    fn new(inner: &Inner, kind: OperationKind, collection: Option<&CollectionName>) -> Self {
        let collection = collection.map_or("", CollectionName::as_str);
        Self { strategy: shared(strategy(inner)), kind, collection: shared(collection) }
    }

    fn labels(&self) -> Vec<Label> {
        vec![
            Label::new("strategy", self.strategy.clone()),
            Label::from_static_parts("operation", self.kind.as_str()),
            Label::new("collection", self.collection.clone()),
        ]
    }

    fn count_error(&self, error: &Error) {
        let (strategy, operation) = (self.strategy.clone(), self.kind.as_str());
        let kind = error.kind();
        counter!(
            "repository_errors_total",
            "strategy" => strategy.clone(), "operation" => operation, "kind" => kind.as_str()
        )
        .increment(1);
        if kind == ErrorKind::Conflict {
            let collection = self.collection.clone();
            counter!(
                "repository_conflicts_total", "strategy" => strategy, "collection" => collection
            )
            .increment(1);
        }
    }
}

fn strategy(inner: &Inner) -> &str {
    let location = inner.location();
    location.split_once(':').map_or(location, |(strategy, _)| strategy)
}

fn shared(text: &str) -> SharedString {
    SharedString::from_shared(text.into())
}

struct Counted {
    records: RecordStream,
    about: About,
}

impl Stream for Counted {
    type Item = <RecordStream as Stream>::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.records.poll_next_unpin(context);
        match &polled {
            Poll::Ready(Some(Ok(batch))) => {
                counter!("repository_streamed_records_total", self.about.labels())
                    .increment(batch.records.len() as u64);
            }
            Poll::Ready(Some(Err(error))) => self.about.count_error(error),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
}
