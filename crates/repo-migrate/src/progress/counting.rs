//! Counting what a phase goes over, for the rates in the report.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use repo_core::CollectionName;

use crate::progress::{Phase, Progress};

/// A progress that also counts.
pub(crate) struct CountingProgress<'a> {
    inner: &'a dyn Progress,
    records: AtomicU64,
}

impl<'a> CountingProgress<'a> {
    pub(crate) fn new(inner: &'a dyn Progress) -> Self {
        Self { inner, records: AtomicU64::new(0) }
    }

    /// Records since this was last asked.
    pub(crate) fn take(&self) -> u64 {
        self.records.swap(0, Ordering::Relaxed)
    }
}

impl Progress for CountingProgress<'_> {
    fn phase(&self, phase: Phase, total: Option<u64>) {
        self.records.store(0, Ordering::Relaxed);
        self.inner.phase(phase, total);
    }

    fn advance(&self, collection: &CollectionName, records: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.inner.advance(collection, records);
    }

    fn warning(&self, text: &str) {
        self.inner.warning(text);
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        self.inner.stopped()
    }
}
