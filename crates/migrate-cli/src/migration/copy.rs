//! Writing to the target: batches from the archive, or from the source when
//! there is none, through `apply`.

use std::num::NonZeroUsize;

use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use repo_core::{
    Applied, CollectionName, EntityId, Error, ErrorKind, Prepared, Record, Result, Segment,
    StoreUpdate,
};

use super::OnConflict;
use super::archive::Archive;
use super::decide::{Decision, decide};
use super::plan::{Plan, PlannedCollection};
use super::progress::Progress;
use super::report::Counts;
use super::side::Side;

/// Where the records to be copied are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// From the archive that was made of the source.
    Archive(&'a Archive),
    /// From the source itself.
    Source,
}

impl Origin<'_> {
    async fn records(
        self,
        plan: &Plan,
        collection: &CollectionName,
        batch_size: NonZeroUsize,
    ) -> Result<BoxStream<'static, Result<Vec<Record>>>> {
        match self {
            Self::Archive(archive) => archive.records(collection, batch_size),
            Self::Source => plan.source.scan(collection, Segment::ALL, batch_size).await,
        }
    }
}

/// Makes what the target lacks, marks it, and raises its floors.
pub(super) async fn prepare(plan: &Plan) -> Result<Vec<Prepared>> {
    let schemas: Vec<_> = plan.collections.iter().map(|planned| planned.schema.clone()).collect();
    let prepared = plan.target.prepare(&schemas).await?;
    plan.mark.set(&plan.target).await?;
    for planned in &plan.collections {
        raise_floor(&plan.target, planned).await?;
    }
    Ok(prepared)
}

async fn raise_floor(target: &Side, planned: &PlannedCollection) -> Result<()> {
    if planned.source.floor <= planned.target_floor() {
        return Ok(());
    }
    let (collection, floor) = (planned.name().clone(), planned.source.floor);
    target.update(StoreUpdate::RaiseFloor { collection, floor }).await?;
    Ok(())
}

/// Copies one collection and counts the target's answers.
pub(super) async fn copy(
    plan: &Plan,
    planned: &PlannedCollection,
    origin: Origin<'_>,
    on_conflict: OnConflict,
    batch_size: NonZeroUsize,
    progress: &dyn Progress,
) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut batches = origin.records(plan, planned.name(), batch_size).await?;
    while let Some(records) = batches.try_next().await? {
        let batch = copy_batch(&plan.target, planned, records, on_conflict).await?;
        counts.add(&batch);
        progress.advance(planned.name(), batch.read);
    }
    Ok(counts)
}

/// Copies one batch: the unit of work of a copy.
async fn copy_batch(
    target: &Side,
    planned: &PlannedCollection,
    records: Vec<Record>,
    on_conflict: OnConflict,
) -> Result<Counts> {
    let mut counts = Counts {
        read: records.len() as u64,
        tombstones: records.iter().filter(|record| !record.is_live()).count() as u64,
        ..Counts::default()
    };
    // Only records that raise a version over the target's need to be looked at
    // first; `apply` itself keeps the higher version.
    let records = if on_conflict == OnConflict::Overwrite && planned.target_holds {
        raised(target, planned.name(), records, &mut counts).await?
    } else {
        records
    };
    for answer in target.apply(records).await? {
        match answer {
            Applied::Applied => counts.applied += 1,
            Applied::Equal => counts.equal += 1,
            Applied::Older => counts.older += 1,
            Applied::Diverged => counts.diverged += 1,
        }
    }
    if counts.balances() {
        return Ok(counts);
    }
    Err(Error::new(ErrorKind::Corrupt, "migrate", "a batch does not balance")
        .with("collection", planned.name())
        .with("counts", format!("{counts:?}")))
}

/// The records to apply, with raised versions where the target's are in the
/// way; what needs no write is counted at once.
async fn raised(
    target: &Side,
    collection: &CollectionName,
    records: Vec<Record>,
    counts: &mut Counts,
) -> Result<Vec<Record>> {
    let ids: Vec<EntityId> = records.iter().map(|record| record.id().clone()).collect();
    let stored = target.get_many(collection, &ids).await?;
    let mut writes = Vec::with_capacity(records.len());
    for (record, stored) in records.iter().zip(&stored) {
        match decide(record, stored.as_ref(), OnConflict::Overwrite)? {
            Decision::Add(record) | Decision::Replace(record) | Decision::Raise(record) => {
                writes.push(record);
            }
            Decision::Equal => counts.equal += 1,
            Decision::Older => counts.older += 1,
            Decision::Diverged => counts.diverged += 1,
        }
    }
    Ok(writes)
}
