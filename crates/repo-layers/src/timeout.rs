//! Ending what takes too long.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use repo_core::strategy::RecordStream;
use repo_core::{CollectionName, Error, ErrorKind, Result};

use crate::refusal::{positive, refuse};
use crate::{Inner, Layer, Operation, OperationClass, OperationKind};

/// Ends operations that take longer than they may.
///
/// | operations | limit | error |
/// |---|---|---|
/// | reads | [`read`](Self::read) | `Unavailable`: nothing was changed |
/// | each batch of a scan, from when it is asked for | [`read`](Self::read) | `Unavailable`, which ends the scan |
/// | `commit`, `apply`, `update_store_record` | [`write`](Self::write) | `OutcomeUnknown`: the work was dropped, and may have been done |
/// | jobs: `prepare`, `prepare_for_load`, `upgrade_layout`, `purge`, `checkpoint`, a deep check of health | [`job`](Self::job) | `OutcomeUnknown`, or `Unavailable` for the check |
/// | `close` | none | |
///
/// A limit that is not set is none. Jobs have one of their own, and none by
/// default, since they take as long as the store is large.
///
/// Around a [`RetryLayer`](crate::RetryLayer) the limit is for all attempts and
/// the pauses together, within one it is for each attempt. The runtime needs its
/// timer (`enable_time`).
#[derive(Debug, Clone, Default)]
pub struct TimeoutLayer {
    read: Option<Duration>,
    write: Option<Duration>,
    job: Option<Duration>,
}

impl TimeoutLayer {
    /// No limit yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The most time that a read takes, and each batch of a scan.
    #[must_use]
    pub fn read(self, most: Duration) -> Self {
        Self { read: Some(most), ..self }
    }

    /// The most time that a write takes.
    #[must_use]
    pub fn write(self, most: Duration) -> Self {
        Self { write: Some(most), ..self }
    }

    /// The most time that a job takes.
    #[must_use]
    pub fn job(self, most: Duration) -> Self {
        Self { job: Some(most), ..self }
    }

    /// Checks that there is a limit, and that each leaves some time.
    ///
    /// # Errors
    /// `ConfigInvalid` otherwise.
    pub fn check(&self) -> Result<()> {
        let limits = [("read", self.read), ("write", self.write), ("job", self.job)];
        if limits.iter().all(|(_, limit)| limit.is_none()) {
            return Err(refuse("a timeout without any limit ends nothing")
                .hint("set read_ms, write_ms or job_ms"));
        }
        limits.into_iter().try_for_each(|(name, limit)| match limit {
            Some(limit) => positive(name, limit),
            None => Ok(()),
        })
    }

    fn limit(&self, kind: OperationKind) -> Option<Duration> {
        match kind.class() {
            OperationClass::Read => self.read,
            OperationClass::Write => self.write,
            OperationClass::Job => self.job,
            OperationClass::Close => None,
        }
    }
}

impl Layer for TimeoutLayer {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        let kind = operation.kind();
        let Some(limit) = self.limit(kind) else { return operation.run(&**inner).await };
        match tokio::time::timeout(limit, operation.run(&**inner)).await {
            Ok(done) => done,
            Err(_) => Err(too_long(kind, limit).with("store", inner.location())),
        }
    }

    fn stream(
        &self,
        inner: &Inner,
        kind: OperationKind,
        collection: Option<&CollectionName>,
        records: RecordStream,
    ) -> RecordStream {
        let Some(limit) = self.limit(kind) else { return records };
        let store = inner.location().to_owned();
        let collection = collection.cloned();
        let batches = stream::unfold(Some(records), move |records| {
            let (store, collection) = (store.clone(), collection.clone());
            async move {
                let mut records = records?;
                match tokio::time::timeout(limit, records.next()).await {
                    Ok(batch) => Some((batch?, Some(records))),
                    Err(_) => {
                        let error = too_long(kind, limit).with("store", store);
                        let error = match collection {
                            Some(collection) => error.with("collection", collection),
                            None => error,
                        };
                        Some((Err(error), None))
                    }
                }
            }
        });
        batches.fuse().boxed()
    }
}

fn too_long(kind: OperationKind, limit: Duration) -> Error {
    let (failure, what, hint) = if kind.only_reads() {
        (
            ErrorKind::Unavailable,
            "it took longer than it may",
            "try again, or allow more time (storage.layers, timeout)",
        )
    } else {
        (
            ErrorKind::OutcomeUnknown,
            "it took longer than it may, and may have been applied",
            "read what is stored before writing again; to allow more time, see storage.layers, \
             timeout",
        )
    };
    Error::new(failure, kind.as_str(), what).with("limit_ms", limit.as_millis()).hint(hint)
}
