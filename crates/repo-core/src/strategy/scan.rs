//! Reading whole collections: records in bounded batches, in segments.

use std::num::NonZeroUsize;

use futures_util::future::ready;
use futures_util::stream::{BoxStream, Stream, StreamExt as _, TryStreamExt as _};

use crate::strategy::{OnUnreadable, Record, UnreadableRecord};
use crate::{Consistency, Error, ErrorKind, Result};

/// Batches of records, none of them empty. The first error ends the stream.
pub type RecordStream = BoxStream<'static, Result<RecordBatch>>;

/// What a scan yields at a time. Records that cannot be read are in it where the
/// store was opened with [`OnUnreadable::SetAside`] or [`OnUnreadable::NameAll`];
/// otherwise the first of them ends the scan.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RecordBatch {
    /// The records, in the order of the scan.
    pub records: Vec<Record>,
    /// Those that cannot be read, in no order.
    pub unreadable: Vec<UnreadableRecord>,
}

impl RecordBatch {
    /// A batch with room for `records` records.
    #[must_use]
    pub fn with_capacity(records: usize) -> Self {
        Self { records: Vec::with_capacity(records), unreadable: Vec::new() }
    }

    /// Adds the next record, or one that cannot be read where the scan continues
    /// after it.
    ///
    /// # Errors
    /// That of a record that cannot be read, where the scan ends with it.
    pub fn push(
        &mut self,
        record: Result<Record, UnreadableRecord>,
        on_unreadable: OnUnreadable,
    ) -> Result<()> {
        match record {
            Ok(record) => self.records.push(record),
            Err(unreadable) if on_unreadable.continues() => self.unreadable.push(unreadable),
            Err(unreadable) => return Err(unreadable.error),
        }
        Ok(())
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.unreadable.is_empty()
    }

    /// The records, for a caller that needs each of them.
    ///
    /// # Errors
    /// That of the first record that cannot be read.
    pub fn into_records(self) -> Result<Vec<Record>> {
        match self.unreadable.into_iter().next() {
            None => Ok(self.records),
            Some(unreadable) => Err(unreadable.error),
        }
    }
}

impl From<Vec<Record>> for RecordBatch {
    fn from(records: Vec<Record>) -> Self {
        Self { records, unreadable: Vec::new() }
    }
}

/// Bytes as text, where they are none: base64 with padding (RFC 4648).
#[must_use]
pub fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Bytes that were written as text by [`base64_of`]; `None` for other text.
#[must_use]
pub fn bytes_of_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

/// Batches whose records are being made while the next batch is asked for.
const AT_A_TIME: usize = 2;

/// The stream of what a store answers batch by batch. `read` makes the records
/// of an answer; it computes, so it runs where it does not hold up the next
/// request. Empty batches are left out, and the first error is the last item.
pub fn read_ahead<T, S, F>(answers: S, read: F) -> RecordStream
where
    T: Send + 'static,
    S: Stream<Item = Result<T>> + Send + 'static,
    F: Fn(T) -> Result<RecordBatch> + Clone + Send + 'static,
{
    let batches = answers
        .map_ok(move |answer| {
            let read = read.clone();
            async move {
                tokio::task::spawn_blocking(move || read(answer)).await.map_err(|source| {
                    let why = "the reading task ended early";
                    Error::new(ErrorKind::Unavailable, "scan", why).caused_by(source)
                })?
            }
        })
        .try_buffered(AT_A_TIME);
    let to_the_error = batches.scan(false, |failed, batch| {
        let continues = !std::mem::replace(failed, batch.is_err());
        ready(continues.then_some(batch))
    });
    to_the_error.try_filter(|batch| ready(!batch.is_empty())).boxed()
}

/// How to scan a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanOptions {
    /// Which part of the collection; the segments together are all of it.
    pub segment: Segment,
    /// Most records in one batch.
    pub batch_size: NonZeroUsize,
    /// Whether the scan must see every acknowledged write.
    pub consistency: Consistency,
}

impl ScanOptions {
    /// The same with another [`segment`](Self::segment).
    #[must_use]
    pub const fn with_segment(mut self, segment: Segment) -> Self {
        self.segment = segment;
        self
    }

    /// The same with another [`batch_size`](Self::batch_size).
    #[must_use]
    pub const fn with_batch_size(mut self, batch_size: NonZeroUsize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// The same with another [`consistency`](Self::consistency).
    #[must_use]
    pub const fn with_consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            segment: Segment::ALL,
            batch_size: NonZeroUsize::new(1_000).unwrap_or(NonZeroUsize::MIN),
            consistency: Consistency::Eventual,
        }
    }
}

/// One of `total` disjoint parts of a collection.
///
/// Strategies that have no segments of their own divide by
/// [`Segment::contains`], a hash of the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    index: usize,
    total: NonZeroUsize,
}

impl Segment {
    /// The whole collection.
    pub const ALL: Self = Self { index: 0, total: NonZeroUsize::MIN };

    /// The segments that together are the whole collection.
    pub fn split(total: NonZeroUsize) -> impl Iterator<Item = Self> {
        (0..total.get()).map(move |index| Self { index, total })
    }

    /// Its place among the segments, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        self.index
    }

    /// How many segments there are.
    #[must_use]
    pub fn total(self) -> usize {
        self.total.get()
    }

    /// Whether `id` belongs to this segment.
    #[must_use]
    pub fn contains(self, id: &crate::EntityId) -> bool {
        self.total.get() == 1 || bucket(id.as_str(), self.total.get()) == self.index
    }
}

/// FNV-1a: stable across versions and machines, which a segment has to be.
fn bucket(id: &str, total: usize) -> usize {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash % total as u64).unwrap_or(0)
}
