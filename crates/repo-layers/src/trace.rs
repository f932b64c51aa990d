//! A span for each operation.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt as _};
use repo_core::strategy::RecordStream;
use repo_core::{CollectionName, Result};
use tracing::field::Empty;
use tracing::{Instrument as _, Span, debug, debug_span};

use crate::{Inner, Layer, Operation, OperationKind};

/// Makes a span of each operation, and of each stream of records until it ends
/// or is dropped.
///
/// The spans are named `storage` and `storage_stream`, of the target
/// `repo_layers::trace` and the level `DEBUG`. What ends them is an event of the
/// same target and level, `done`. Fields:
///
/// | field | holds |
/// |---|---|
/// | `store` | strategy and place: [`location`](repo_core::strategy::StorageStrategy::location), which holds no secret |
/// | `operation` | the method, see [`OperationKind::as_str`] |
/// | `collection` | the collection, where the operation is about one |
/// | `items` | how many ids, writes or records were given, where any are |
/// | `records` | how many records a stream yielded |
/// | `outcome` | `ok`, or the kind of the error; of a stream also `dropped` |
///
/// Nothing else is recorded: no document, no id, no filter, and no words of an
/// error, which may quote them.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct TracingLayer;

impl TracingLayer {
    /// The layer.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Layer for TracingLayer {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        let span = debug_span!(
            "storage",
            store = inner.location(),
            operation = operation.kind().as_str(),
            collection = operation.collection().map(CollectionName::as_str),
            items = operation.items(),
            outcome = Empty,
        );
        let done = operation.run(&**inner).instrument(span.clone()).await;
        end(&span, outcome(&done));
        done
    }

    fn stream(
        &self,
        inner: &Inner,
        kind: OperationKind,
        collection: Option<&CollectionName>,
        records: RecordStream,
    ) -> RecordStream {
        let span = debug_span!(
            "storage_stream",
            store = inner.location(),
            operation = kind.as_str(),
            collection = collection.map(CollectionName::as_str),
            records = Empty,
            outcome = Empty,
        );
        Traced { records, span, seen: 0, outcome: "dropped" }.boxed()
    }
}

fn outcome<T>(done: &Result<T>) -> &'static str {
    done.as_ref().map_or_else(|error| error.kind().as_str(), |_| "ok")
}

fn end(span: &Span, outcome: &'static str) {
    span.record("outcome", outcome);
    span.in_scope(|| debug!("done"));
}

struct Traced {
    records: RecordStream,
    span: Span,
    seen: u64,
    /// What becomes of it if it ends now.
    outcome: &'static str,
}

impl Stream for Traced {
    type Item = <RecordStream as Stream>::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let _entered = this.span.enter();
        let polled = this.records.poll_next_unpin(context);
        match &polled {
            Poll::Ready(Some(Ok(batch))) => this.seen += batch.records.len() as u64,
            Poll::Ready(Some(Err(error))) => this.outcome = error.kind().as_str(),
            Poll::Ready(None) if this.outcome == "dropped" => this.outcome = "ok",
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.span.record("records", self.seen);
        end(&self.span, self.outcome);
    }
}
