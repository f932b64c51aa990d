//! One collection on both sides, compared.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{CollectionState, Record, Segment};
use repo_core::{CollectionName, EntityId, Error, ErrorKind, Result, UpgradePath};

use crate::history::compare::{
    ExpectedItems, HistoryComparison, HistorySide, compare_items, sum_of_archive, sum_of_batch,
};
use crate::history::reader::HistoryOrigin;
use crate::progress::Progress;
use crate::store_reference::{HeldRecord, StoreReference, blocking, lanes};
use crate::upgrade::path;
use crate::verify::difference::difference;
use crate::verify::digest::{Deltas, Fingerprint, Sums};
use crate::verify::report::{CollectionVerification, Depth, ItemsVerification, SideSummary};
use crate::verify::state::ComparisonState;
use crate::verify::suspects::{Differences, Suspects};

/// Records read, and looked up, at a time.
const BATCH: usize = 250;

/// One collection on one side.
pub(crate) struct ComparedCollection {
    side: StoreReference,
    name: CollectionName,
    /// `None` when the collection was never prepared: it then counts as empty.
    state: Option<CollectionState>,
    live: u64,
    /// What is compared; what does not count is as if it were not there.
    depth: Depth,
    /// How its documents are read: as those of another schema version.
    upgrade: Option<Arc<UpgradePath>>,
    /// Where older versions are read, if they are compared.
    past: Option<HistoryOrigin>,
}

/// What one side adds up to.
#[derive(Debug, Clone)]
struct SideSums {
    records: Sums,
    versions: Sums,
}

/// One collection on both sides.
pub(crate) struct CollectionComparison {
    pub(crate) name: CollectionName,
    pub(crate) source: ComparedCollection,
    pub(crate) target: ComparedCollection,
    pub(crate) depth: Depth,
    /// What its records were before, if that is compared.
    pub(crate) history: Option<HistoryComparison>,
    /// Where the items of both sides are, if there are any.
    pub(crate) items: Option<(HistoryOrigin, HistoryOrigin)>,
}

/// What the target is meant to hold after a migration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// The source's records as the migration read them.
    pub(crate) read: &'a Sums,
    /// By how much the target is meant to differ from the source.
    pub(crate) deltas: &'a Deltas,
    /// Whether the source is known to be as it was read.
    pub(crate) unchanged: bool,
    /// By how much the target's older versions are meant to differ from the source's.
    pub(crate) versions: &'a Deltas,
    /// Whether an item that both sides have is meant to be the source's.
    pub(crate) replaces_items: bool,
}

impl ComparedCollection {
    /// `known` is how many live entities there are to read, where somebody
    /// knows: counting may cost as much as reading.
    pub(crate) async fn new(
        side: &StoreReference,
        name: &CollectionName,
        state: Option<&CollectionState>,
        known: Option<u64>,
        depth: Depth,
    ) -> Result<Self> {
        let live = match (state, known) {
            (None, _) => 0,
            (Some(_), Some(live)) => live,
            (Some(_), None) => side.count(name).await?,
        };
        let (side, name, state) = (side.clone(), name.clone(), state.copied());
        Ok(Self { side, name, state, live, depth, upgrade: None, past: None })
    }

    /// The same, its documents upgraded where they are read.
    pub(crate) fn upgraded(mut self, upgrade: Option<&Arc<UpgradePath>>) -> Self {
        self.upgrade = upgrade.cloned();
        self
    }

    /// The same with what its records were before.
    pub(crate) fn with_past(mut self, past: Option<&HistorySide>) -> Self {
        self.past = past.filter(|past| past.state.is_some()).map(|past| past.origin.clone());
        self
    }

    fn floor(&self) -> u64 {
        self.state.map_or(0, |state| state.floor)
    }

    /// Its records, those of one segment or all.
    async fn batches(
        &self,
        segment: Option<Segment>,
    ) -> Result<BoxStream<'static, Result<Vec<Record>>>> {
        if self.state.is_none() {
            return Ok(futures::stream::empty().boxed());
        }
        let batch_size = NonZeroUsize::new(BATCH).unwrap_or(NonZeroUsize::MIN);
        let batches = match segment {
            Some(segment) => self.side.scan(&self.name, segment, batch_size).await?,
            None => self.side.scan_all(&self.name, batch_size, lanes()).await?,
        };
        let depth = self.depth;
        let batches = if depth.has_versions() {
            batches
        } else {
            let counted = move |mut records: Vec<Record>| {
                records.retain(|record| depth.counts(record));
                records
            };
            batches.map_ok(counted).boxed()
        };
        let Some(path) = self.upgrade.clone() else { return Ok(batches) };
        Ok(batches
            .map_ok(move |records| {
                let path = Arc::clone(&path);
                let upgraded = move |record| path::record(&path, record);
                blocking(move || Ok(records.into_iter().map(upgraded).collect()))
            })
            .try_buffered(lanes())
            .boxed())
    }

    async fn held(&self, ids: &[EntityId]) -> Result<Vec<HeldRecord>> {
        if self.state.is_none() {
            return Ok(vec![HeldRecord::Nothing; ids.len()]);
        }
        let held = self.side.held(&self.name, ids).await?;
        Ok(held.into_iter().map(|held| self.as_compared(held)).collect())
    }

    fn as_compared(&self, held: HeldRecord) -> HeldRecord {
        match held {
            HeldRecord::Record(record) if !self.depth.counts(&record) => HeldRecord::Nothing,
            HeldRecord::Record(record) => HeldRecord::Record(match &self.upgrade {
                Some(path) => path::record(path, record),
                None => record,
            }),
            other => other,
        }
    }

    /// Reads what is not read yet, segment after segment, and keeps the sums.
    async fn sum_kept(&self, kept: &ComparisonState, progress: &dyn Progress) -> Result<SideSums> {
        let (side, most) = (self.side.name(), self.side.capabilities().max_scan_segments);
        let mut half = kept.half(side, &self.name, most).await;
        progress.advance(&self.name, half.sums.records);
        for segment in Segment::split(half.segments) {
            if !half.done.contains(&segment.index()) {
                let sums = self.sum(Some(segment), progress).await?;
                half.sums.merge(&sums.records);
                half.versions.merge(&sums.versions);
                half.done.push(segment.index());
                kept.keep(side, &self.name, &half).await?;
            }
        }
        Ok(SideSums { records: half.sums, versions: half.versions })
    }

    /// Reads a segment or all of it.
    async fn sum(&self, segment: Option<Segment>, progress: &dyn Progress) -> Result<SideSums> {
        let (depth, name) = (self.depth, &self.name);
        let (mut sums, mut versions) = (Sums::new(), Sums::new());
        // Of a store they are read by the ids of a batch, of an archive in one go.
        let by_batch = match &self.past {
            Some(HistoryOrigin::Store(side)) if self.state.is_some() => Some(side),
            Some(archive @ HistoryOrigin::Archive(_)) => {
                versions = sum_of_archive(archive, name, depth).await?;
                None
            }
            _ => None,
        };
        let mut batches = self
            .batches(segment)
            .await?
            .map_ok(|records| async move {
                let past = match by_batch {
                    Some(side) => Some(sum_of_batch(side, name, depth, &records).await?),
                    None => None,
                };
                let print = move |record: &Record| Fingerprint::to(depth, record);
                let prints = blocking(move || Ok(records.iter().map(print).collect::<Vec<_>>()));
                Ok((prints.await?, past))
            })
            .try_buffered(lanes());
        while let Some((prints, past)) = batches.try_next().await? {
            prints.iter().for_each(|print| sums.add(print));
            past.iter().for_each(|past| versions.merge(past));
            progress.advance(&self.name, prints.len() as u64);
        }
        drop(batches);
        Ok(SideSums { records: sums, versions })
    }

    fn summary(&self, sums: &Sums) -> SideSummary {
        SideSummary {
            prepared: self.state.is_some(),
            records: sums.records,
            tombstones: sums.tombstones,
            floor: self.floor(),
            digest: sums.total().to_string(),
        }
    }
}

impl CollectionComparison {
    /// Live entities that are to be read.
    pub(crate) fn live(&self, expected: Option<Expected<'_>>) -> u64 {
        let source = if is_known(expected) { 0 } else { self.source.live };
        source + self.target.live
    }

    /// Compares both sides; after a migration with what was expected.
    pub(crate) async fn compare(
        &self,
        expected: Option<Expected<'_>>,
        kept: Option<&ComparisonState>,
        progress: &dyn Progress,
    ) -> Result<CollectionVerification> {
        let sum = async |half: &ComparedCollection| match kept {
            Some(kept) => half.sum_kept(kept, progress).await,
            None => half.sum(None, progress).await,
        };
        let of_source = async || match expected {
            Some(expected) if expected.unchanged => {
                Ok(SideSums { records: expected.read.clone(), versions: Sums::new() })
            }
            _ => sum(&self.source).await,
        };
        let (source, target) = futures::future::try_join(of_source(), sum(&self.target)).await?;
        let history = match &self.history {
            Some(history) => {
                let expected = expected.map(|expected| expected.versions);
                Some(history.compare(&source.versions, &target.versions, expected).await?)
            }
            None => None,
        };
        let items = self.compare_items(expected).await?;
        let past_equal =
            history.as_ref().is_none_or(|it| it.equal) && items.as_ref().is_none_or(|it| it.equal);
        let (source, target) = (source.records, target.records);
        let suspects = Suspects::find(&source, &target, expected.map(|it| (it.read, it.deltas)));
        let found = if suspects.any() {
            self.name_differences(&suspects).await?
        } else {
            Differences::default()
        };
        let floor_too_low = self.depth.has_versions() && self.target.floor() < self.source.floor();
        Ok(CollectionVerification {
            name: self.name.clone(),
            upgrade: self.source.upgrade.as_ref().map(|path| path.versions()).unwrap_or_default(),
            equal: found.count() == 0 && !floor_too_low && past_equal,
            history,
            items,
            missing: found.missing,
            unexpected: found.unexpected,
            differs: found.differs,
            floor_too_low,
            times_equal: source.same_times(&target),
            source_changed: found.source_changed,
            source_read_again: !is_known(expected),
            differences: found.differences,
            source: self.source.summary(&source),
            target: self.target.summary(&target),
        })
    }

    async fn compare_items(
        &self,
        expected: Option<Expected<'_>>,
    ) -> Result<Option<ItemsVerification>> {
        let Some((source, target)) = &self.items else { return Ok(None) };
        let expected = expected.map(|it| ExpectedItems { replaced: it.replaces_items });
        compare_items(source, target, &self.name, expected).await.map(Some)
    }

    /// The records that are in suspect buckets, added to `sums`, and what the
    /// other side holds under their ids. One whose other side cannot be read is
    /// left out: the check, or opening the store, has reported it.
    async fn look_up(
        &self,
        suspects: &Suspects,
        mut records: Vec<Record>,
        other: &ComparedCollection,
        sums: &mut Sums,
    ) -> Result<(Vec<Record>, Vec<Option<Record>>)> {
        records.retain(|record| suspects.bucket(record).is_some());
        if records.is_empty() {
            return Ok((records, Vec::new()));
        }
        let ids: Vec<EntityId> = records.iter().map(|record| record.id().clone()).collect();
        let mut known = Vec::with_capacity(records.len());
        let mut others = Vec::with_capacity(records.len());
        for (record, held) in records.into_iter().zip(other.held(&ids).await?) {
            // Beside what cannot be read nothing can be said of a record.
            match held {
                HeldRecord::Unreadable => continue,
                HeldRecord::Record(other) => others.push(Some(other)),
                HeldRecord::Nothing => others.push(None),
            }
            sums.add(&Fingerprint::to(self.depth, &record));
            known.push(record);
        }
        Ok((known, others))
    }

    /// Reads the suspect buckets of both sides again, and asks each side for
    /// what the other holds.
    async fn name_differences(&self, suspects: &Suspects) -> Result<Differences> {
        let mut found = Differences::default();
        let mut source_again = Sums::new();
        let mut batches = self.source.batches(None).await?;
        while let Some(records) = batches.try_next().await? {
            let (ours, theirs) =
                self.look_up(suspects, records, &self.target, &mut source_again).await?;
            for (ours, theirs) in ours.iter().zip(&theirs) {
                let differs = difference(self.depth, Some(ours), theirs.as_ref());
                found.push(differs, suspects.bucket(ours));
            }
        }
        let mut target_again = Sums::new();
        let mut batches = self.target.batches(None).await?;
        while let Some(records) = batches.try_next().await? {
            let (theirs, ours) =
                self.look_up(suspects, records, &self.source, &mut target_again).await?;
            for (theirs, ours) in theirs.iter().zip(&ours) {
                if ours.is_none() {
                    let differs = difference(self.depth, None, Some(theirs));
                    found.push(differs, suspects.bucket(theirs));
                }
            }
        }
        // Where no record differs when asked for by its id, reading all of
        // them must agree; else a scan leaves out or repeats a record.
        if found.count() == 0 && source_again.total() != target_again.total() {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "verify",
                "reading all records of a side does not agree with reading them by id",
            )
            .with("collection", &self.name)
            .with("source", self.source.side.location())
            .with("target", self.target.side.location())
            .hint("make sure that nothing writes to either side, and verify again"));
        }
        Ok(found)
    }
}

/// Whether the source's sums need no second reading.
fn is_known(expected: Option<Expected<'_>>) -> bool {
    expected.is_some_and(|expected| expected.unchanged)
}
