//! What records were before, on both sides, compared: sums first, and where they differ
//! version by version.

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroUsize;

use futures::TryStreamExt as _;
use repo_core::strategy::{HistoryState, OlderState, Record, Segment, SystemCollection};
use repo_core::{CollectionName, EntityId, Error, ErrorKind, Result};

use crate::history::items::{ItemPairs, travelling};
use crate::history::pairs::VersionPairs;
use crate::history::reader::{BatchVersions, HistoryOrigin, HistoryReader, StorePages};
use crate::past::{PastVersion, stored_versions};
use crate::report::MAX_NAMED;
use crate::store_reference::{HeldRecord, StoreReference, blocking};
use crate::verify::difference::first_difference;
use crate::verify::digest::{Deltas, Fingerprint, Sums, bucket_of, version_prints};
use crate::verify::report::{
    Depth, DifferenceKind, HistoryVerification, ItemDifference, ItemsVerification,
    VersionDifference,
};

/// Records, and versions of an archive, read at a time.
const BATCH: NonZeroUsize = NonZeroUsize::MIN.saturating_add(249);

/// The history of a collection on both sides.
pub(crate) struct HistoryComparison {
    pub(crate) name: CollectionName,
    pub(crate) source: HistorySide,
    pub(crate) target: HistorySide,
    pub(crate) depth: Depth,
}

/// One of them.
#[derive(Clone)]
pub(crate) struct HistorySide {
    pub(crate) side: StoreReference,
    pub(crate) origin: HistoryOrigin,
    /// `None` where no history is kept.
    pub(crate) state: Option<HistoryState>,
    /// Whether the collection was prepared.
    pub(crate) prepared: bool,
}

/// What the past of the records of a batch adds up to.
pub(crate) async fn sum_of_batch(
    side: &StoreReference,
    name: &CollectionName,
    depth: Depth,
    records: &[Record],
) -> Result<Sums> {
    let mut sums = Sums::new();
    let mut pages = StorePages::of(side, name, stored_versions(records));
    while let Some(page) = pages.next().await? {
        add(&mut sums, name, depth, page).await?;
    }
    Ok(sums)
}

/// The same of a whole archive.
pub(crate) async fn sum_of_archive(
    origin: &HistoryOrigin,
    name: &CollectionName,
    depth: Depth,
) -> Result<Sums> {
    let mut sums = Sums::new();
    let mut pages = origin.all(name, 0, BATCH).await?;
    while let Some(page) = pages.try_next().await? {
        add(&mut sums, name, depth, page).await?;
    }
    Ok(sums)
}

async fn add(
    sums: &mut Sums,
    name: &CollectionName,
    depth: Depth,
    page: Vec<PastVersion>,
) -> Result<()> {
    let name = name.clone();
    let prints = blocking(move || Ok(version_prints(depth, &name, &page))).await?;
    prints.iter().for_each(|print| sums.add(print));
    Ok(())
}

/// The differences that are found, and the sums of what was looked at.
#[derive(Default)]
struct Found {
    missing: u64,
    unexpected: u64,
    differs: u64,
    differences: Vec<VersionDifference>,
}

impl HistoryComparison {
    /// Compares both sides by their sums; after a migration with what was expected.
    pub(crate) async fn compare(
        &self,
        source: &Sums,
        target: &Sums,
        expected: Option<&Deltas>,
    ) -> Result<HistoryVerification> {
        let none = Deltas::default();
        let deltas = expected.unwrap_or(&none);
        let meant = source.buckets().chain(target.buckets()).chain(deltas.buckets());
        let suspects: HashSet<usize> = meant
            .filter(|bucket| deltas.expected(source, *bucket) != target.sum_of(*bucket))
            .collect();
        let found = match suspects.is_empty() || self.target.state.is_none() {
            true => Found::default(),
            false => self.name_differences(&suspects).await?,
        };
        let since = |side: &HistorySide| side.state.map(|state| state.since);
        let not_kept = self.target.state.is_none();
        let begins_later = since(&self.target) > since(&self.source) && expected.is_none();
        let count = found.missing + found.unexpected + found.differs;
        Ok(HistoryVerification {
            equal: count == 0 && !not_kept && !begins_later,
            source: self.source.state.map(Into::into),
            target: self.target.state.map(Into::into),
            source_versions: source.records,
            target_versions: target.records,
            source_digest: source.total().to_string(),
            target_digest: target.total().to_string(),
            missing: found.missing,
            unexpected: found.unexpected,
            differs: found.differs,
            times_equal: source.same_times(target),
            differences: found.differences,
        })
    }

    /// Reads the suspect buckets of both sides again.
    async fn name_differences(&self, suspects: &HashSet<usize>) -> Result<Found> {
        let mut found = Found::default();
        let suspect = |id: &EntityId| suspects.contains(&bucket_of(id));
        let mut reader = HistoryReader::begin(&self.source.origin, &self.name)?;
        let mut batches = self.source.side.scan(&self.name, Segment::ALL, BATCH).await?;
        while let Some(records) = batches.try_next().await? {
            let ids: Vec<EntityId> =
                records.iter().map(Record::id).filter(|id| suspect(id)).cloned().collect();
            let held = self.held(&self.target, &ids).await?;
            let ours = reader.of(stored_versions(&records), suspect);
            let theirs = StorePages::of(&self.target.side, &self.name, stored_versions(&held));
            let theirs = Some(BatchVersions::Store(theirs));
            let mut pairs = VersionPairs::of(ids.iter(), Some(ours), theirs, VecDeque::new());
            while let Some((ours, theirs)) = pairs.next().await? {
                self.see(ours, theirs, &mut found);
            }
        }
        self.only_in_target(suspect, &mut found).await?;
        if found.missing + found.unexpected + found.differs > 0 {
            return Ok(found);
        }
        let why = "reading all older versions of a side does not agree with reading them by id";
        Err(Error::new(ErrorKind::Corrupt, "verify", why)
            .with("collection", &self.name)
            .with("source", self.source.side.location())
            .with("target", self.target.side.location())
            .hint("make sure that nothing writes to either side, and verify again"))
    }

    async fn only_in_target(
        &self,
        suspect: impl Fn(&EntityId) -> bool,
        found: &mut Found,
    ) -> Result<()> {
        let mut batches = self.target.side.scan(&self.name, Segment::ALL, BATCH).await?;
        while let Some(mut records) = batches.try_next().await? {
            records.retain(|record| suspect(record.id()));
            let ids: Vec<EntityId> = records.iter().map(|record| record.id().clone()).collect();
            let held = self.held(&self.source, &ids).await?;
            let there: HashSet<&EntityId> = held.iter().map(Record::id).collect();
            records.retain(|record| !there.contains(record.id()));
            let mut pages =
                StorePages::of(&self.target.side, &self.name, stored_versions(&records));
            while let Some(page) = pages.next().await? {
                page.into_iter().for_each(|theirs| self.see(None, Some(theirs), found));
            }
        }
        Ok(())
    }

    /// The records of a side under these ids.
    async fn held(&self, of: &HistorySide, ids: &[EntityId]) -> Result<Vec<Record>> {
        if !of.prepared || ids.is_empty() {
            return Ok(Vec::new());
        }
        let held = of.side.held(&self.name, ids).await?;
        let record = |held| match held {
            HeldRecord::Record(record) => Some(record),
            HeldRecord::Nothing | HeldRecord::Unreadable => None,
        };
        Ok(held.into_iter().filter_map(record).collect())
    }

    fn see(&self, ours: Option<PastVersion>, theirs: Option<PastVersion>, found: &mut Found) {
        let print = |one: &PastVersion| Fingerprint::of_version(self.depth, &self.name, one);
        let (kind, one, pointer) = match (&ours, &theirs) {
            (Some(ours), Some(theirs)) if print(ours).content == print(theirs).content => return,
            (Some(ours), Some(theirs)) => {
                found.differs += 1;
                (DifferenceKind::Differs, ours, place(ours, theirs))
            }
            (Some(ours), None) => {
                found.missing += 1;
                (DifferenceKind::Missing, ours, None)
            }
            (None, Some(theirs)) => {
                found.unexpected += 1;
                (DifferenceKind::Unexpected, theirs, None)
            }
            (None, None) => return,
        };
        if found.differences.len() < MAX_NAMED {
            let (id, version) = (one.id.to_string(), one.version.get());
            let attribution = one.state.is_none()
                || matches!((&ours, &theirs), (Some(ours), Some(theirs)) if ours.same_content(theirs));
            found.differences.push(VersionDifference { id, version, kind, attribution, pointer });
        }
    }
}

/// Where two documents differ first.
fn place(ours: &PastVersion, theirs: &PastVersion) -> Option<String> {
    match (&ours.state, &theirs.state) {
        (
            Some(OlderState::Live { document: ours, .. }),
            Some(OlderState::Live { document: theirs, .. }),
        ) => first_difference(ours, theirs),
        _ => None,
    }
}

/// What a migration left differing of the items.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpectedItems {
    /// Whether an item that both have is the source's.
    pub(crate) replaced: bool,
}

/// Compares the items that belong to a collection; after a migration with what was
/// expected: what only the target has stays.
pub(crate) async fn compare_items(
    source: &HistoryOrigin,
    target: &HistoryOrigin,
    name: &CollectionName,
    expected: Option<ExpectedItems>,
) -> Result<ItemsVerification> {
    let mut found = ItemsVerification {
        equal: true,
        missing: 0,
        unexpected: 0,
        differs: 0,
        differences: Vec::new(),
    };
    for of in travelling() {
        let mut pairs = ItemPairs::of(source, target, of, name);
        while let Some((ours, theirs)) = pairs.next().await? {
            match (ours, theirs) {
                (Some(ours), None) => found.push(of, ours.key, DifferenceKind::Missing),
                (None, Some(theirs)) if expected.is_none() => {
                    found.push(of, theirs.key, DifferenceKind::Unexpected);
                }
                (Some(ours), Some(theirs))
                    if ours.value != theirs.value && expected.is_none_or(|it| it.replaced) =>
                {
                    found.push(of, ours.key, DifferenceKind::Differs);
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

impl ItemsVerification {
    fn push(&mut self, of: SystemCollection, key: String, kind: DifferenceKind) {
        self.equal = false;
        match kind {
            DifferenceKind::Missing => self.missing += 1,
            DifferenceKind::Unexpected => self.unexpected += 1,
            DifferenceKind::Differs => self.differs += 1,
        }
        if self.differences.len() < MAX_NAMED {
            let items = of.to_string();
            self.differences.push(ItemDifference { items, key, kind });
        }
    }
}
