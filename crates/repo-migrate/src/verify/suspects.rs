//! Where the sums of two sides differ, and what differs there.

use std::collections::HashMap;

use repo_core::strategy::Record;

use crate::report::MAX_NAMED;
use crate::verify::digest::{Deltas, Sums, bucket_of};
use crate::verify::report::{Difference, DifferenceKind};

/// The buckets whose sums are not as they should be.
pub(super) struct Suspects {
    buckets: HashMap<usize, Suspect>,
}

/// Why a bucket is suspect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspect {
    /// The target holds what the migration wrote, so the source was changed.
    source_changed: bool,
}

impl Suspects {
    pub(super) fn find(source: &Sums, target: &Sums, expected: Option<(&Sums, &Deltas)>) -> Self {
        let suspect = |bucket| {
            let holds = target.sum_of(bucket);
            let (now, as_written) = match expected {
                None => (source.sum_of(bucket), None),
                Some((read, deltas)) => {
                    (deltas.expected(source, bucket), Some(deltas.expected(read, bucket)))
                }
            };
            (now != holds).then_some(Suspect { source_changed: as_written == Some(holds) })
        };
        let meant =
            expected.into_iter().flat_map(|(read, deltas)| read.buckets().chain(deltas.buckets()));
        // Of any other bucket both sides hold nothing, as they should.
        let buckets = source.buckets().chain(target.buckets()).chain(meant);
        let suspects = buckets.filter_map(|bucket| Some((bucket, suspect(bucket)?)));
        Self { buckets: suspects.collect() }
    }

    pub(super) fn any(&self) -> bool {
        !self.buckets.is_empty()
    }

    pub(super) fn bucket(&self, record: &Record) -> Option<Suspect> {
        self.buckets.get(&bucket_of(record.id())).copied()
    }
}

/// The differences of a collection.
#[derive(Debug, Default)]
pub(super) struct Differences {
    pub(super) missing: u64,
    pub(super) unexpected: u64,
    pub(super) differs: u64,
    pub(super) source_changed: u64,
    pub(super) differences: Vec<Difference>,
}

impl Differences {
    pub(super) fn count(&self) -> u64 {
        self.missing + self.unexpected + self.differs
    }

    pub(super) fn push(&mut self, difference: Option<Difference>, suspect: Option<Suspect>) {
        let Some(mut difference) = difference else { return };
        difference.source_changed = suspect.is_some_and(|suspect| suspect.source_changed);
        self.source_changed += u64::from(difference.source_changed);
        match difference.kind {
            DifferenceKind::Missing => self.missing += 1,
            DifferenceKind::Unexpected => self.unexpected += 1,
            DifferenceKind::Differs => self.differs += 1,
        }
        if self.differences.len() < MAX_NAMED {
            self.differences.push(difference);
        }
    }
}
