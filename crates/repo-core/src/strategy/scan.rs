//! Reading whole collections: records in bounded batches, in segments.

use std::num::NonZeroUsize;

use futures_util::future::ready;
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _, TryStreamExt as _};

use crate::strategy::Record;
use crate::{Consistency, Error, ErrorKind, Result};

/// Batches of records. Each batch holds at least one record. An error ends it,
/// but for one [about a single record](crate::Error::unreadable) in a store
/// that was opened with [`OnUnreadable::SetAside`].
pub type RecordStream = BoxStream<'static, Result<Vec<Record>>>;

/// What a scan does with a stored record that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnreadable {
    /// It ends with the error.
    #[default]
    Fail,
    /// It yields the error, which [says which record it is](crate::strategy::Unreadable), and
    /// goes on. Only for a store that is open for reading. `get_many` fails
    /// with `Corrupt` about such a record, naming it as `key` or `id`; other
    /// methods leave such records out or fail.
    SetAside,
    /// As `SetAside`, for a caller that names every such record and then fails: a
    /// store may compare all records at once, at the end of the scan, and end it
    /// with an error that names those that are damaged.
    NameAll,
}

impl OnUnreadable {
    /// Whether a scan goes on past a record that cannot be read.
    #[must_use]
    pub fn goes_on(self) -> bool {
        self != Self::Fail
    }
}

/// Bytes as text, where they are none: base64 with padding (RFC 4648).
#[must_use]
pub fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// What a strategy read of a batch, on its way into a [`RecordStream`].
#[derive(Debug, Default)]
pub struct Scanned {
    /// The records.
    pub records: Vec<Record>,
    /// The errors about single records.
    pub unreadable: Vec<Error>,
}

impl Scanned {
    /// Takes the next record, or sets it aside where that is wanted.
    ///
    /// # Errors
    /// The record's, unless it is set aside.
    pub fn push(&mut self, record: Result<Record>, on_unreadable: OnUnreadable) -> Result<()> {
        match record {
            Ok(record) => self.records.push(record),
            Err(error) if on_unreadable.goes_on() && error.unreadable().is_some() => {
                self.unreadable.push(error);
            }
            // Only where the scan goes on after it is an error about one record.
            Err(error) => return Err(error.about_all()),
        }
        Ok(())
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.unreadable.is_empty()
    }

    /// The items of the stream: the records, then the errors.
    #[must_use]
    pub fn into_items(self) -> Vec<Result<Vec<Record>>> {
        let records = (!self.records.is_empty()).then_some(Ok(self.records));
        records.into_iter().chain(self.unreadable.into_iter().map(Err)).collect()
    }
}

/// Batches whose records are being made while the next batch is asked for.
const AT_A_TIME: usize = 2;

/// The stream of what a store answers batch by batch. `read` makes the records
/// of an answer; it computes, so it runs where it does not hold up the next
/// request. The first error is the last item, but for those set aside.
pub fn read_ahead<T, S, F>(answers: S, read: F) -> RecordStream
where
    T: Send + 'static,
    S: Stream<Item = Result<T>> + Send + 'static,
    F: Fn(T) -> Result<Scanned> + Clone + Send + 'static,
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
        let goes_on = !std::mem::replace(failed, batch.is_err());
        ready(goes_on.then_some(batch))
    });
    to_the_error.map_ok(|scanned| stream::iter(scanned.into_items())).try_flatten().boxed()
}

/// How to scan a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanOptions {
    /// Which part of the collection; the segments together are all of it.
    pub segment: Segment,
    /// Most records in one batch.
    pub batch_size: NonZeroUsize,
    /// Whether the scan must see every acknowledged write.
    pub consistency: Consistency,
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
