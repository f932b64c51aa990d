//! Writing to the target: batches from the archive, or from the source when
//! there is none, through `apply`.
//!
//! Of an archive it is known how many of its first records are durable in the
//! target, and an unfinished copy goes on after them. Batches are written
//! several at a time and counted in their order, so the checkpoint is never
//! ahead of what is durable.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use futures::future::join;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use repo_core::{
    Applied, CollectionName, EntityId, Error, ErrorKind, Prepared, Record, Result, StoreUpdate,
    UpgradePath,
};

use super::archive::Archive;
use super::batch::breaks;
use super::checkpoint::Copied;
use super::claim::Claim;
use super::decide::{Decision, decide};
use super::pace::Pace;
use super::plan::{Plan, PlannedCollection};
use super::progress::Progress;
use super::report::Counts;
use super::side::{Side, blocking};
use super::upgrading;
use super::{MigrationOptions, OnConflict};

/// Batches, and time, between two checkpoints.
const BATCHES_EACH: u64 = 10;
const TIME_EACH: Duration = Duration::from_millis(250);

/// Where the records to be copied are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// From an archive.
    Archive(&'a Archive),
    /// From the source itself.
    Source,
}

/// A copy of some collections.
pub(super) struct Copier<'a> {
    pub(super) plan: &'a Plan,
    pub(super) options: &'a MigrationOptions,
    pub(super) origin: Origin<'a>,
    pub(super) claim: &'a Claim,
    pub(super) progress: &'a dyn Progress,
    pub(super) pace: Pace<'a>,
}

/// Makes what the target lacks, but for indexes that it makes faster later.
pub(super) async fn prepare(plan: &Plan) -> Result<Vec<Prepared>> {
    plan.target.prepare_for_load(&plan.schemas()).await
}

/// Makes the indexes that were left for the end.
pub(super) async fn complete(plan: &Plan) -> Result<()> {
    plan.target.prepare(&plan.schemas()).await.map(drop)
}

/// Raises the target's floors to the source's.
pub(super) async fn raise_floors(plan: &Plan) -> Result<()> {
    for planned in &plan.collections {
        if planned.source.floor > planned.target_floor() {
            let (collection, floor) = (planned.name().clone(), planned.source.floor);
            plan.target.update(StoreUpdate::RaiseFloor { collection, floor }).await?;
        }
    }
    Ok(())
}

impl Copier<'_> {
    /// Copies one collection from where it stands. False when the run was
    /// asked to end before it was done; what is durable is then stored.
    pub(super) async fn copy(&self, planned: &PlannedCollection) -> Result<bool> {
        let name = planned.name();
        let mut copied = self.stands_at(name).await;
        if copied.finished {
            return Ok(true);
        }
        let ended = self.write(planned, &mut copied).await;
        // A refused batch is not waited for when the run is to end.
        let ended = match ended {
            Err(error) if error.kind() == ErrorKind::Unavailable && self.progress.is_stopped() => {
                Ok(false)
            }
            ended => ended,
        };
        copied.finished = matches!(ended, Ok(true));
        let saved = self.save(name, copied).await;
        // What stopped the copy is told before what stopped the checkpoint.
        let finished = ended?;
        saved?;
        Ok(finished)
    }

    /// Writes batch after batch, and counts those that are durable.
    async fn write(&self, planned: &PlannedCollection, copied: &mut Copied) -> Result<bool> {
        let name = planned.name();
        let mut since = Since::now();
        let batches = self.records(name, copied.counts.read).await?;
        let mut written = batches
            .take_until(self.progress.stopped())
            .map_ok(|records| self.batch(planned, records))
            .try_buffered(self.pace.workers());
        loop {
            // Further batches go on while it is stored how far they are.
            let next = if since.is_due() {
                since = Since::now();
                let (saved, next) = join(self.save(name, *copied), written.try_next()).await;
                saved?;
                next
            } else {
                written.try_next().await
            };
            let Some(batch) = next? else { break };
            since.batches += 1;
            copied.counts.add(&batch);
            self.progress.advance(name, batch.read);
        }
        drop(written);
        Ok(!self.progress.is_stopped())
    }

    /// How far a collection is. A copy from the source itself begins anew each
    /// time: there the target is asked what it holds already.
    async fn stands_at(&self, name: &CollectionName) -> Copied {
        let kept = self.claim.checkpoint().await.copied.get(name).copied().unwrap_or_default();
        match self.origin {
            Origin::Archive(_) => kept,
            Origin::Source => Copied { counts: Counts::default(), finished: false, ..kept },
        }
    }

    async fn save(&self, name: &CollectionName, copied: Copied) -> Result<()> {
        self.claim
            .save(|checkpoint| {
                checkpoint.copied.insert(name.clone(), copied);
            })
            .await
    }

    async fn records(
        &self,
        collection: &CollectionName,
        after: u64,
    ) -> Result<BoxStream<'static, Result<Vec<Record>>>> {
        // No more at once than a second is allowed.
        let batch_size =
            self.options.batch_size.min(self.options.rate_limit.unwrap_or(NonZeroUsize::MAX));
        match self.origin {
            Origin::Archive(archive) => archive.records_after(collection, after, batch_size),
            Origin::Source => {
                let (source, readers) = (&self.plan.source, self.pace.workers());
                match self.options.quarantine {
                    Some(_) => source.scan_all(collection, batch_size, readers).await,
                    // One that has become unreadable since is in no quarantine.
                    None => source.scan_all_with_errors(collection, batch_size, readers).await,
                }
            }
        }
    }

    /// Copies one batch: the unit of work of a copy.
    async fn batch(&self, planned: &PlannedCollection, mut records: Vec<Record>) -> Result<Counts> {
        let mut counts = Counts {
            read: records.len() as u64,
            tombstones: records.iter().filter(|record| !record.is_live()).count() as u64,
            ..Counts::default()
        };
        if let Some(path) = planned.upgrade.clone() {
            let leaves_out = self.options.quarantine.is_some();
            records = blocking(move || upgraded(&path, records, leaves_out)).await?;
        }
        if self.options.quarantine.is_some() {
            let limit = self.plan.target.capabilities().max_entity_bytes;
            records.retain(|record| match record {
                Record::Live(entity) => breaks(&planned.schema, entity, limit).is_none(),
                Record::Tombstone(_) => true,
            });
            counts.quarantined = counts.read - records.len() as u64;
        }
        let work = || self.write_batch(planned, records.clone());
        let written = self.pace.batch(records.len(), work).await?;
        counts.add(&written);
        if counts.balances() {
            return Ok(counts);
        }
        Err(Error::new(ErrorKind::Corrupt, "migrate", "a batch does not balance")
            .with("collection", planned.name())
            .with("counts", format!("{counts:?}")))
    }

    /// Writes records and counts what the target answered, no more. Safe to
    /// repeat.
    async fn write_batch(
        &self,
        planned: &PlannedCollection,
        records: Vec<Record>,
    ) -> Result<Counts> {
        let mut counts = Counts::default();
        let records = if self.looks_first(planned) {
            self.missing(planned.name(), records, &mut counts).await?
        } else {
            records
        };
        if !records.is_empty() {
            apply(&self.plan.target, records, &mut counts).await?;
        }
        Ok(counts)
    }

    /// Whether the target is asked what it holds before a batch is written:
    /// where versions may have to be raised over the target's or say nothing,
    /// and where an
    /// earlier run may have written the batch. `apply` itself keeps the higher
    /// version.
    fn looks_first(&self, planned: &PlannedCollection) -> bool {
        let decides =
            self.options.on_conflict == OnConflict::Overwrite || !self.plan.depth.has_versions();
        let raises = decides && planned.target_holds;
        let again = self.plan.unfinished && matches!(self.origin, Origin::Source);
        raises || again
    }

    /// The records to apply, with raised versions where the target's are in
    /// the way; what needs no write is counted at once.
    async fn missing(
        &self,
        collection: &CollectionName,
        records: Vec<Record>,
        counts: &mut Counts,
    ) -> Result<Vec<Record>> {
        let ids: Vec<EntityId> = records.iter().map(|record| record.id().clone()).collect();
        let stored = self.plan.target.get_many(collection, &ids).await?;
        let mut writes = Vec::with_capacity(records.len());
        for (record, stored) in records.iter().zip(&stored) {
            match decide(record, stored.as_ref(), self.options.on_conflict, self.plan.depth)? {
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
}

/// The records with their documents upgraded. One that cannot be is left out
/// where it is in quarantine.
fn upgraded(path: &UpgradePath, records: Vec<Record>, leaves_out: bool) -> Result<Vec<Record>> {
    let mut upgraded = Vec::with_capacity(records.len());
    for record in records {
        match record {
            Record::Live(entity) => match upgrading::entity(path, &entity) {
                Ok(entity) => upgraded.push(Record::Live(entity)),
                Err(_) if leaves_out => {}
                Err(error) => return Err(error.with("key", entity.key())),
            },
            tombstone @ Record::Tombstone(_) => upgraded.push(tombstone),
        }
    }
    Ok(upgraded)
}

async fn apply(target: &Side, records: Vec<Record>, counts: &mut Counts) -> Result<()> {
    for answer in target.apply(records).await? {
        match answer {
            Applied::Applied => counts.applied += 1,
            Applied::Equal => counts.equal += 1,
            Applied::Older => counts.older += 1,
            Applied::Diverged => counts.diverged += 1,
        }
    }
    Ok(())
}

/// What happened since the last checkpoint.
struct Since {
    batches: u64,
    time: Instant,
}

impl Since {
    fn now() -> Self {
        Self { batches: 0, time: Instant::now() }
    }

    /// Whether a checkpoint is due.
    fn is_due(&self) -> bool {
        self.batches >= BATCHES_EACH || (self.batches > 0 && self.time.elapsed() >= TIME_EACH)
    }
}
