//! The clean-up of one source: its mark, its deletions, its purge.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{Applied, Record, Sameness, Segment, StorageStrategy, Tombstone};
use repo_core::{
    Clock as _, CollectionName, EntityId, Precondition, Result, Schemas, SystemClock, Write,
};

use crate::cleanup::mark::{Verified, mark, unmark};
use crate::cleanup::report::{CleanUpReport, CleanedCollection};
use crate::copy::throttle::Throttle;
use crate::plan::sameness::{Evidence, is_seen, same_store};
use crate::progress::{Phase, Progress};
use crate::store_reference::StoreReference;
use crate::upgrade::path::{self, Upgrading};
use crate::verify::PreparedCollections;

const OPERATION: &str = "clean up";

/// How the source is to be cleaned up.
#[derive(Debug, Clone)]
pub struct CleanUpOptions {
    /// Records read, compared and deleted at a time.
    pub batch_size: NonZeroUsize,
    /// Batches that are deleted at a time, at most.
    pub workers: NonZeroUsize,
    /// Entities that are deleted in a second, at most; `None` for no limit.
    pub rate_limit: Option<NonZeroUsize>,
    /// How long a batch that the source refuses for now is tried again.
    pub patience: Duration,
    /// The schemas whose upgrades the migration applied; see
    /// [`VerifyOptions`](crate::VerifyOptions).
    pub upgrades: Option<Arc<Schemas>>,
}

impl CleanUpOptions {
    /// Of documents as they are, without a limit; a refused batch is tried again for a minute.
    #[must_use]
    pub fn new(batch_size: NonZeroUsize, workers: NonZeroUsize) -> Self {
        let patience = Duration::from_secs(60);
        Self { batch_size, workers, rate_limit: None, patience, upgrades: None }
    }
}

/// Deletes from `source`, which is open for writing, every live entity of the
/// verified collections that `target` holds with the same version and
/// document, and then purges the tombstones. What changed since stays, and is
/// named. A clean-up that was killed or stopped is resumed by the same
/// call; see [`unfinished_clean_up`](crate::unfinished_clean_up).
///
/// # Errors
/// `ConfigInvalid` when the stores are not those that were verified, or are one
/// store; `Unsupported` for a source that another store follows; `Locked`
/// when a migration into the source is unfinished; what either side refuses.
pub async fn clean_up(
    source: &Arc<dyn StorageStrategy>,
    target: &Arc<dyn StorageStrategy>,
    verified: &Verified,
    options: &CleanUpOptions,
    progress: &dyn Progress,
) -> Result<CleanUpReport> {
    empty(source, target, verified, options, (Removal::Commit, progress)).await
}

/// How a source takes that something is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// By commits, as of any store. What the target holds in a later version stays.
    Commit,
    /// By tombstones with their versions: the source has moved, and takes nothing else. What
    /// the target holds in a later version goes, since it is written to meanwhile.
    Tombstones,
}

/// As [`clean_up`].
pub(crate) async fn empty(
    source: &Arc<dyn StorageStrategy>,
    target: &Arc<dyn StorageStrategy>,
    verified: &Verified,
    options: &CleanUpOptions,
    (removal, progress): (Removal, &dyn Progress),
) -> Result<CleanUpReport> {
    let (source, target) = (StoreReference::source(source), StoreReference::target(target));
    verified.check(&source, &target)?;
    refuse_one_store(&source, &target).await?;
    let job = mark(&source, verified, SystemClock.now()).await?;
    let mut total = 0;
    for name in verified.collections() {
        total += source.count(name).await?;
    }
    progress.phase(Phase::CleanUp, Some(total));
    let throttle = Throttle::new(options.workers, options.rate_limit, options.patience, progress);
    let held = PreparedCollections::read(&source, &target).await?;
    let names = verified.collections().iter();
    let upgrading = options.upgrades.as_ref().map(|schemas| held.upgrading(schemas, names));
    let upgrading = upgrading.unwrap_or_default();
    let cleaner =
        Cleaner { source, target, verified, options, upgrading, removal, throttle, progress };
    let (since, mut collections) = (Instant::now(), Vec::new());
    for name in verified.collections() {
        let (cleaned, finished) = cleaner.collection(name).await?;
        collections.push(cleaned);
        if !finished {
            return Ok(CleanUpReport::new(collections, true, since));
        }
    }
    if collections.iter().all(|cleaned| cleaned.purged) {
        unmark(&cleaner.source, job).await?;
    }
    Ok(CleanUpReport::new(collections, false, since))
}

/// Nothing is deleted from a store that is the target under another name, or
/// that a copy follows. The caller has opened both anew: what the
/// migration found out is found out again.
async fn refuse_one_store(source: &StoreReference, target: &StoreReference) -> Result<()> {
    let evidence = Evidence::read(source, target).await?;
    evidence.refuse_same(source, target, OPERATION)?;
    evidence.refuse_replica(source, OPERATION)?;
    if evidence.sameness == Sameness::Different {
        return Ok(());
    }
    // The target is open for reading, so the mark goes the other way: through
    // the source. One that is being cleaned up is marked already, and asked
    // about by what its target says of itself.
    let marked = source.record().await?.job;
    let seen = match &marked {
        None => is_seen(source, target).await?,
        Some(marked) => target.unfinished_job_afresh().await?.is_some_and(|it| it == *marked),
    };
    if seen { Err(same_store(source, target, OPERATION)) } else { Ok(()) }
}

struct Cleaner<'a> {
    source: StoreReference,
    target: StoreReference,
    verified: &'a Verified,
    options: &'a CleanUpOptions,
    upgrading: Upgrading,
    removal: Removal,
    throttle: Throttle<'a>,
    progress: &'a dyn Progress,
}

/// What became of some records.
#[derive(Debug, Default)]
struct Deleted {
    seen: u64,
    deleted: u64,
    /// Ids with the reason.
    left: Vec<String>,
}

impl Cleaner<'_> {
    /// Empties one collection; false when the run was asked to end before it
    /// was done.
    async fn collection(&self, name: &CollectionName) -> Result<(CleanedCollection, bool)> {
        let mut cleaned = CleanedCollection::new(name.clone());
        let batch_size = self.batch_size();
        let batches = self.source.scan(name, Segment::ALL, batch_size).await?;
        let mut deleting = batches
            .take_until(self.progress.stopped())
            .map_ok(|records| self.batch(name, records))
            .try_buffer_unordered(self.throttle.workers());
        while let Some(batch) = deleting.try_next().await? {
            cleaned.deleted += batch.deleted;
            batch.left.iter().for_each(|left| cleaned.left.push(left));
            self.progress.advance(name, batch.seen);
        }
        drop(deleting);
        if self.progress.is_stopped() {
            return Ok((cleaned, false));
        }
        self.find_deleted_by_others(name, &mut cleaned).await?;
        cleaned.left.sort();
        if cleaned.deleted_by_others == 0 {
            // However far a clock is ahead: none may stay.
            let all = SystemClock.now().saturating_add(Duration::MAX);
            self.source.purge(name, all).await?;
            cleaned.purged = true;
        }
        Ok((cleaned, true))
    }

    /// A batch is deleted in one commit, so it has to fit into one.
    fn batch_size(&self) -> NonZeroUsize {
        let most = self.source.capabilities().max_commit_keys.and_then(NonZeroUsize::new);
        most.map_or(self.options.batch_size, |most| most.min(self.options.batch_size))
    }

    async fn batch(&self, name: &CollectionName, records: Vec<Record>) -> Result<Deleted> {
        let live: Vec<Record> = records.into_iter().filter(Record::is_live).collect();
        let ids: Vec<EntityId> = live.iter().map(|record| record.id().clone()).collect();
        let mut done = Deleted { seen: live.len() as u64, ..Deleted::default() };
        let mut removed = Vec::with_capacity(live.len());
        for (ours, theirs) in live.iter().zip(self.target.get_many(name, &ids).await?) {
            let ours_there = self.as_copied(name, ours);
            if theirs.is_some_and(|theirs| self.is_held(&theirs, &ours_there)) {
                removed.push(ours);
            } else {
                done.left.push(format!("{} (the target does not hold the same)", ours.id()));
            }
        }
        let deleted = match self.removal {
            Removal::Commit => {
                let delete = |ours: &&Record| {
                    Write::delete(ours.key(), Precondition::Version(ours.version()))
                };
                let writes: Vec<Write> = removed.iter().map(delete).collect();
                self.throttle.batch(writes.len(), || self.delete(writes.clone())).await?
            }
            Removal::Tombstones => {
                let tombstones = removed.into_iter().map(tombstone).collect::<Result<Vec<_>>>()?;
                self.throttle.batch(tombstones.len(), || self.bury(tombstones.clone())).await?
            }
        };
        done.deleted = deleted.deleted;
        done.left.extend(deleted.left);
        Ok(done)
    }

    /// Whether the target holds a record that is to be removed here.
    fn is_held(&self, theirs: &Record, ours: &Record) -> bool {
        let is_later = self.removal == Removal::Tombstones && theirs.version() > ours.version();
        is_later || self.verified.same(theirs, ours)
    }

    /// Writes tombstones where the version is still the one below. Safe to repeat.
    async fn bury(&self, tombstones: Vec<Record>) -> Result<Deleted> {
        let mut done = Deleted::default();
        if tombstones.is_empty() {
            return Ok(done);
        }
        let answers = self.source.apply(tombstones.clone()).await?;
        for (tombstone, answer) in tombstones.iter().zip(answers) {
            match answer {
                Applied::Applied | Applied::Equal => done.deleted += 1,
                _ => done.left.push(format!("{} (changed after it was verified)", tombstone.id())),
            }
        }
        Ok(done)
    }

    /// The record as the target is to hold it.
    fn as_copied(&self, name: &CollectionName, record: &Record) -> Record {
        match self.upgrading.get(name) {
            Some(path) => path::record(path, record.clone()),
            None => record.clone(),
        }
    }

    /// Deletes what still has its version. Nothing is written by a commit that
    /// fails, so this is safe to repeat.
    async fn delete(&self, mut writes: Vec<Write>) -> Result<Deleted> {
        let mut done = Deleted::default();
        while !writes.is_empty() {
            let error = match self.source.commit(writes.clone()).await {
                Ok(written) => {
                    done.deleted = written.len() as u64;
                    break;
                }
                Err(error) if error.failed_preconditions().is_empty() => return Err(error),
                Err(error) => error,
            };
            for failed in error.failed_preconditions() {
                writes.retain(|write| write.key != failed.key);
                done.left.push(format!("{} (changed after it was verified)", failed.key.id));
            }
        }
        Ok(done)
    }

    /// Finds entities that somebody else changed and deleted since: their
    /// tombstones are all that says so, and must not be purged.
    async fn find_deleted_by_others(
        &self,
        name: &CollectionName,
        cleaned: &mut CleanedCollection,
    ) -> Result<()> {
        let mut batches = self.source.scan(name, Segment::ALL, self.options.batch_size).await?;
        while let Some(records) = batches.try_next().await? {
            let gone: Vec<Record> =
                records.into_iter().filter(|record| !record.is_live()).collect();
            let ids: Vec<EntityId> = gone.iter().map(|record| record.id().clone()).collect();
            for (ours, theirs) in gone.iter().zip(self.target.get_many(name, &ids).await?) {
                if theirs.is_some_and(|theirs| outlives(&theirs, ours)) {
                    cleaned.deleted_by_others += 1;
                    let why = "deleted in the source after it was verified; still in the target";
                    cleaned.left.push(&format!("{} ({why})", ours.id()));
                }
            }
        }
        Ok(())
    }
}

/// What deletes a record: one version above it.
fn tombstone(record: &Record) -> Result<Record> {
    Ok(Record::Tombstone(Tombstone {
        collection: record.collection().clone(),
        id: record.id().clone(),
        version: record.version().next()?,
        deleted_at: SystemClock.now().max(record.updated_at()),
    }))
}

/// Whether the target holds an entity live that a tombstone of the source
/// deletes, and the clean-up did not write that tombstone: its own are one
/// version above what the target holds.
fn outlives(theirs: &Record, tombstone: &Record) -> bool {
    let ours = theirs.version().next().is_ok_and(|next| next == tombstone.version());
    theirs.is_live() && theirs.version() < tombstone.version() && !ours
}
