//! Writing to the target: batches from the archive, or from the source when
//! there is none, through `apply`.
//!
//! Of an archive it is known how many of its first records are durable in the
//! target, and an unfinished copy resumes after them. Batches are written
//! several at a time and counted in their order, so the checkpoint is never
//! ahead of what is durable. Collections that are smaller than a batch share
//! one.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join};
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{Applied, Prepared, Record, StoreUpdate};
use repo_core::{CollectionName, EntityId, Error, ErrorKind, Result, UpgradePath};

use crate::MigrationOptions;
use crate::OnConflict;
use crate::archive::Archive;
use crate::check::decide::{Decision, decide};
use crate::check::reason::breaks;
use crate::copy::throttle::Throttle;
use crate::job::checkpoint::Copied;
use crate::job::lease::Lease;
use crate::plan::{MigrationPlan, PlannedCollection};
use crate::progress::Progress;
use crate::report::Counts;
use crate::store_reference::{blocking, lanes};
use crate::upgrade::path;

/// Full batches, and time, between two checkpoints.
const BATCHES_EACH: u64 = 10;
const TIME_EACH: Duration = Duration::from_millis(250);

/// Where the records to be copied are read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// From an archive.
    Archive(&'a Archive),
    /// From the source itself.
    Source,
}

/// A copy of some collections.
pub(crate) struct Copier<'a> {
    pub(crate) plan: &'a MigrationPlan,
    pub(crate) options: &'a MigrationOptions,
    pub(crate) origin: Origin<'a>,
    pub(crate) lease: &'a Lease,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) throttle: Throttle<'a>,
}

/// A batch of one collection, or what one collection has in a shared batch.
struct CopyPart<'a> {
    planned: &'a PlannedCollection,
    /// What is to be written.
    records: Vec<Record>,
    /// What was read, and is not to be written.
    counts: Counts,
}

/// Makes what the target lacks, except for indexes that it makes faster later.
pub(crate) async fn prepare(plan: &MigrationPlan) -> Result<Vec<Prepared>> {
    plan.target.prepare_for_load(&plan.schemas()).await
}

/// Ends the load: makes the indexes that were left for the end.
pub(crate) async fn complete(plan: &MigrationPlan) -> Result<()> {
    plan.target.prepare(&plan.schemas()).await.map(drop)
}

/// Raises the target's floors to the source's.
pub(crate) async fn raise_floors(plan: &MigrationPlan) -> Result<()> {
    for planned in &plan.collections {
        if planned.source.floor > planned.target_floor() {
            let (collection, floor) = (planned.name().clone(), planned.source.floor);
            plan.target.update(StoreUpdate::RaiseFloor { collection, floor }).await?;
        }
    }
    Ok(())
}

impl Copier<'_> {
    /// Copies the collections of the plan from where each stands. False when
    /// the run was asked to end before that was done. What is durable is
    /// stored then, or after an error, with the next checkpoint: that of the
    /// run's end at the latest.
    pub(crate) async fn copy(&self) -> Result<bool> {
        let ended = self.copy_all().await;
        // A refused batch is not waited for when the run is to end.
        let ended = match ended {
            Err(error) if error.kind() == ErrorKind::Unavailable && self.progress.is_stopped() => {
                Ok(false)
            }
            ended => ended,
        };
        if matches!(ended, Ok(true)) {
            return ended;
        }
        let saved = self.lease.save(|_| ()).await;
        // What stopped the copy is reported before what stopped the checkpoint.
        let finished = ended?;
        saved?;
        Ok(finished)
    }

    async fn copy_all(&self) -> Result<bool> {
        let mut since = SinceCheckpoint::now();
        let mut small = Vec::new();
        let mut waiting = 0;
        for planned in &self.plan.collections {
            let copied = self.stands_at(planned.name()).await;
            let left = copied.of.saturating_sub(copied.counts.read);
            if copied.finished {
                continue;
            }
            if !self.fits_a_batch(left) {
                if !self.copy_one(planned, copied, &mut since).await? {
                    return Ok(false);
                }
                continue;
            }
            if !self.fits_a_batch(waiting + left) {
                if !self.copy_together(std::mem::take(&mut small), &mut since).await? {
                    return Ok(false);
                }
                waiting = 0;
            }
            small.push((planned, copied));
            waiting += left;
        }
        self.copy_together(small, &mut since).await
    }

    /// Whether so many records may go into one batch.
    fn fits_a_batch(&self, records: u64) -> bool {
        records <= self.batch_size().get() as u64
    }

    /// No more at once than a second is allowed.
    pub(crate) fn batch_size(&self) -> NonZeroUsize {
        self.options.batch_size.min(self.options.rate_limit.unwrap_or(NonZeroUsize::MAX))
    }

    /// Copies one collection in batches of its own.
    async fn copy_one(
        &self,
        planned: &PlannedCollection,
        mut copied: Copied,
        since: &mut SinceCheckpoint,
    ) -> Result<bool> {
        let ended = self.write(planned, &mut copied, since).await;
        copied.finished = matches!(ended, Ok(true));
        self.note(planned.name(), copied).await;
        ended
    }

    /// Copies collections that fit a batch together.
    async fn copy_together(
        &self,
        small: Vec<(&PlannedCollection, Copied)>,
        since: &mut SinceCheckpoint,
    ) -> Result<bool> {
        if self.progress.is_stopped() {
            return Ok(false);
        }
        let read: Vec<BoxFuture<'_, Result<CopyPart<'_>>>> =
            small.iter().map(|&(planned, copied)| self.all(planned, copied).boxed()).collect();
        let parts = futures::stream::iter(read).buffered(lanes()).try_collect().await?;
        let counts = self.batch(parts).await?;
        for ((planned, mut copied), counts) in small.into_iter().zip(counts) {
            copied.counts.add(&counts);
            copied.finished = true;
            since.records += counts.read;
            self.progress.advance(planned.name(), counts.read);
            self.note(planned.name(), copied).await;
        }
        if since.is_due(self.batch_size()) {
            *since = SinceCheckpoint::now();
            self.lease.save(|_| ()).await?;
        }
        Ok(true)
    }

    /// All that is left of one collection.
    async fn all<'b>(
        &self,
        planned: &'b PlannedCollection,
        copied: Copied,
    ) -> Result<CopyPart<'b>> {
        let batches = self.records(planned.name(), copied.counts.read).await?;
        let records: Vec<Vec<Record>> = batches.try_collect().await?;
        self.part(planned, records.concat()).await
    }

    /// Writes batch after batch, and counts those that are durable.
    async fn write(
        &self,
        planned: &PlannedCollection,
        copied: &mut Copied,
        since: &mut SinceCheckpoint,
    ) -> Result<bool> {
        let name = planned.name();
        let batches = self.records(name, copied.counts.read).await?;
        let mut written = batches
            .take_until(self.progress.stopped())
            .map_ok(|records| self.own_batch(planned, records))
            .try_buffered(self.throttle.workers());
        loop {
            // Further batches are written while it is stored how far they are.
            let next = if since.is_due(self.batch_size()) {
                *since = SinceCheckpoint::now();
                let (saved, next) = join(self.save(name, *copied), written.try_next()).await;
                saved?;
                next
            } else {
                written.try_next().await
            };
            let Some(batch) = next? else { break };
            since.records += batch.read;
            copied.counts.add(&batch);
            self.progress.advance(name, batch.read);
        }
        drop(written);
        Ok(!self.progress.is_stopped())
    }

    /// How far a collection is. A copy from the source itself begins anew each
    /// time: there the target is asked what it holds already.
    async fn stands_at(&self, name: &CollectionName) -> Copied {
        let kept = self.lease.copied(name).await;
        match self.origin {
            Origin::Archive(_) => kept,
            Origin::Source => Copied { counts: Counts::default(), finished: false, ..kept },
        }
    }

    pub(crate) async fn save(&self, name: &CollectionName, copied: Copied) -> Result<()> {
        self.lease
            .save(|checkpoint| {
                checkpoint.copied.insert(name.clone(), copied);
            })
            .await
    }

    pub(crate) async fn note(&self, name: &CollectionName, copied: Copied) {
        self.lease
            .note(|checkpoint| {
                checkpoint.copied.insert(name.clone(), copied);
            })
            .await;
    }

    async fn records(
        &self,
        collection: &CollectionName,
        after: u64,
    ) -> Result<BoxStream<'static, Result<Vec<Record>>>> {
        let batch_size = self.batch_size();
        match self.origin {
            Origin::Archive(archive) => archive.records_after(collection, after, batch_size),
            Origin::Source => {
                let (source, readers) = (&self.plan.source, self.throttle.workers());
                match self.options.quarantine {
                    Some(_) => source.scan_all(collection, batch_size, readers).await,
                    // One that has become unreadable since is in no quarantine.
                    None => source.scan_every_one(collection, batch_size, readers).await,
                }
            }
        }
    }

    /// What is to be written of some records.
    async fn part<'b>(
        &self,
        planned: &'b PlannedCollection,
        mut records: Vec<Record>,
    ) -> Result<CopyPart<'b>> {
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
        Ok(CopyPart { planned, records, counts })
    }

    /// Copies a batch that holds records of one collection.
    async fn own_batch(&self, planned: &PlannedCollection, records: Vec<Record>) -> Result<Counts> {
        let part = self.part(planned, records).await?;
        let mut total = Counts::default();
        self.batch(vec![part]).await?.iter().for_each(|counts| total.add(counts));
        Ok(total)
    }

    /// Copies one batch, the unit of work of a copy; the counts of each part.
    async fn batch(&self, parts: Vec<CopyPart<'_>>) -> Result<Vec<Counts>> {
        let records = parts.iter().map(|part| part.records.len()).sum();
        let written = self.throttle.batch(records, || self.write_batch(&parts)).await?;
        let counts = parts.iter().zip(written).map(|(part, written)| {
            let mut counts = part.counts;
            counts.add(&written);
            if counts.balances() {
                return Ok(counts);
            }
            Err(Error::new(ErrorKind::Corrupt, "migrate", "a batch does not balance")
                .with("collection", part.planned.name())
                .with("read", counts.read)
                .with("applied", counts.applied)
                .with("equal", counts.equal)
                .with("older", counts.older)
                .with("diverged", counts.diverged))
        });
        counts.collect()
    }

    /// Writes records and counts what the target answered, no more. Safe to
    /// repeat.
    async fn write_batch(&self, parts: &[CopyPart<'_>]) -> Result<Vec<Counts>> {
        let mut counts = vec![Counts::default(); parts.len()];
        let mut records = Vec::with_capacity(parts.len());
        for (part, counts) in parts.iter().zip(&mut counts) {
            let (name, all) = (part.planned.name(), part.records.clone());
            records.push(match self.looks_first(part.planned) {
                true => self.missing(name, all, counts).await?,
                false => all,
            });
        }
        let each: Vec<usize> = records.iter().map(Vec::len).collect();
        let records: Vec<Record> = records.into_iter().flatten().collect();
        if records.is_empty() {
            return Ok(counts);
        }
        let mut answers = self.plan.target.apply(records).await?.into_iter();
        for (counts, of) in counts.iter_mut().zip(each) {
            answers.by_ref().take(of).for_each(|answer| count(answer, counts));
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
            Record::Live(entity) => match path::entity(path, &entity) {
                Ok(entity) => upgraded.push(Record::Live(entity)),
                Err(_) if leaves_out => {}
                Err(error) => return Err(error.with("key", entity.key())),
            },
            tombstone @ Record::Tombstone(_) => upgraded.push(tombstone),
        }
    }
    Ok(upgraded)
}

fn count(answer: Applied, counts: &mut Counts) {
    match answer {
        Applied::Applied => counts.applied += 1,
        Applied::Equal => counts.equal += 1,
        Applied::Older => counts.older += 1,
        Applied::Diverged => counts.diverged += 1,
    }
}

/// What happened since the last checkpoint.
pub(crate) struct SinceCheckpoint {
    pub(crate) records: u64,
    time: Instant,
}

impl SinceCheckpoint {
    pub(crate) fn now() -> Self {
        Self { records: 0, time: Instant::now() }
    }

    /// Whether a checkpoint is due. By records, not by batches: a checkpoint
    /// names every collection, and of thousands each may be a small batch.
    pub(crate) fn is_due(&self, batch_size: NonZeroUsize) -> bool {
        let full_batches = self.records / batch_size.get() as u64;
        full_batches >= BATCHES_EACH || (self.records > 0 && self.time.elapsed() >= TIME_EACH)
    }
}
