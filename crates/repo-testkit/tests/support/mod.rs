//! A layer around the memory strategy that gives it limits, or one flaw.

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{Capabilities, OpenOptions, Record, RecordBatch, RecordStream};
use repo_core::{
    Change, CollectionName, Error, ErrorKind, Page, Precondition, Query, Result, Write, Written,
};
use repo_layers::{Inner, Layer, OperationKind};
use repo_testkit::{MemoryPlace, Place, Store};

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)]
pub(crate) enum Flaw {
    /// Nothing; it only has limits.
    None,
    /// A version precondition is not checked.
    VersionsUnchecked,
    /// An ordered page does not show its last entity.
    ShortPages,
    /// A scan leaves tombstones out.
    NoTombstones,
}

/// The memory strategy with the limits of a small store and one flaw.
#[derive(Debug)]
struct Flawed {
    capabilities: Capabilities,
    flaw: Flaw,
}

/// A place of such a store.
pub(crate) struct FlawedPlace(pub(crate) MemoryPlace, pub(crate) Flaw);

#[async_trait]
impl Place for FlawedPlace {
    async fn open(&self, options: OpenOptions) -> Result<Store> {
        let inner = self.0.open(options).await?;
        let capabilities = inner
            .capabilities()
            .with_max_commit_keys(Some(100))
            .with_max_commit_bytes(Some(4 << 20))
            .with_max_scan_segments(3)
            .with_parallel_scan(true)
            .with_indexes_after_load(false)
            .with_multi_process(false);
        Ok(Flawed { capabilities, flaw: self.1 }.around(inner))
    }
}

impl Flawed {
    fn check_limits(&self, writes: &[Write]) -> Result<()> {
        let size = |write: &Write| match &write.change {
            Change::Put(document) => document.size(),
            _ => 0,
        };
        let bytes: usize = writes.iter().map(size).sum();
        if writes.len() > 100 || bytes > 4 << 20 {
            return Err(Error::new(ErrorKind::LimitExceeded, "commit", "the commit is too large"));
        }
        Ok(())
    }
}

impl Layer for Flawed {
    fn capabilities<'a>(&'a self, _inner: &'a Inner) -> &'a Capabilities {
        &self.capabilities
    }

    async fn query(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        query: &Query,
    ) -> Result<Page> {
        let mut page = inner.query(collection, query).await?;
        if self.flaw == Flaw::ShortPages && page.next.is_some() && query.order().is_some() {
            page.entities.pop();
        }
        Ok(page)
    }

    fn stream(
        &self,
        _inner: &Inner,
        _kind: OperationKind,
        _collection: Option<&CollectionName>,
        records: RecordStream,
    ) -> RecordStream {
        if self.flaw != Flaw::NoTombstones {
            return records;
        }
        let live = |mut batch: RecordBatch| {
            batch.records.retain(Record::is_live);
            batch
        };
        let batches = records.map_ok(live);
        batches.try_filter(|batch| std::future::ready(!batch.is_empty())).boxed()
    }

    async fn commit(&self, inner: &Inner, mut writes: Vec<Write>) -> Result<Vec<Written>> {
        self.check_limits(&writes)?;
        for write in &mut writes {
            let by_version = matches!(write.precondition, Precondition::Version(_));
            if self.flaw == Flaw::VersionsUnchecked && by_version {
                write.precondition = Precondition::Exists;
            }
        }
        inner.commit(writes).await
    }
}
