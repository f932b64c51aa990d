//! Reading whole collections: records in bounded batches, in segments.

use std::num::NonZeroUsize;

use futures::stream::BoxStream;

use crate::{Consistency, Record, Result};

/// Batches of records. Each batch holds at least one record.
pub type RecordStream = BoxStream<'static, Result<Vec<Record>>>;

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
