//! The part of a run that writes to the target, under a lease: taking up an
//! unfinished run, and copying.

use std::collections::BTreeMap;
use std::time::Instant;

use repo_core::{CollectionName, Error, ErrorKind, Result};

use crate::archive::Archive;
use crate::check::source_checks::SourceCheck;
use crate::copy::copier::{self, Copier, Origin};
use crate::copy::throttle::Throttle;
use crate::history;
use crate::job::checkpoint::{ArchiveRef, Begun, Checkpoint, Copied, Stage};
use crate::job::lease::Lease;
use crate::progress::Phase;
use crate::report::Resumed;
use crate::report::run_report::RunReport;
use crate::run::{MigrationRun, time_of};
use crate::upgrade::path::Upgrading;

impl MigrationRun<'_> {
    /// Takes up the migration that was found on the target.
    pub(crate) async fn take_up(&mut self, done: &mut RunReport) -> Result<()> {
        let Some(found) = self.plan.found.as_ref().filter(|_| !self.options.dry_run) else {
            return Ok(());
        };
        // One that is to be dropped stays until this run is sure to write.
        let Some(kept) = &found.checkpoint else { return Ok(()) };
        let mut checkpoint = kept.clone();
        self.check_upgrades(&checkpoint)?;
        self.take_up_archives(&mut checkpoint, done).await;
        if checkpoint.archive.is_none() || checkpoint.on_conflict != self.options.on_conflict {
            checkpoint.copied.clear();
        }
        checkpoint.on_conflict = self.options.on_conflict;
        let (begun_at, records) = (checkpoint.started_at, checkpoint.records());
        self.resumed = Some(Resumed { begun_at, records });
        // What is in quarantine has to be found again for the verification.
        let all = |copied: &Copied| copied.counts.quarantined == 0;
        self.from_empty = checkpoint.into_empty
            && checkpoint.archive.is_some()
            && self.options.quarantine.is_none()
            && checkpoint.copied.values().all(all);
        let (target, job) = (&self.plan.target, self.plan.job());
        let stored = Some(found.stored.clone());
        self.lease = Some(Lease::take(target, job, stored, checkpoint).await?);
        Ok(())
    }

    /// Opens the archives of an unfinished run. One that cannot be used any
    /// more is left out, and said.
    async fn take_up_archives(&mut self, checkpoint: &mut Checkpoint, done: &mut RunReport) {
        if let Some(kept) = &checkpoint.archive {
            match self.usable(kept, done.origin.as_ref()).await {
                Ok(archive) => done.origin = Some(archive),
                Err(error) => {
                    self.warn(format!("the copy begins anew: its archive cannot be used: {error}"));
                    checkpoint.archive = None;
                }
            }
        }
        if let Some(kept) = &checkpoint.target_archive {
            match kept.open().await {
                Ok(archive) => done.target_backup = Some(archive),
                Err(error) => {
                    self.warn(format!("the archive of the target cannot be used: {error}"));
                    checkpoint.target_archive = None;
                }
            }
        }
    }

    /// The archive of an unfinished run, if it is the one that is restored
    /// (where one is), and holds every collection as it is declared now.
    async fn usable(&self, kept: &ArchiveRef, restored: Option<&Archive>) -> Result<Archive> {
        let archive = kept.open().await?;
        if restored.is_some_and(|restored| ArchiveRef::to(restored) != *kept) {
            return Err(Error::new(ErrorKind::Invalid, "migrate", "it is another archive"));
        }
        for planned in &self.plan.collections {
            let entry = archive.entry(planned.name())?;
            if entry.schema_version != planned.source.schema_version {
                let why = "it has another schema version than the source now";
                return Err(Error::new(ErrorKind::Invalid, "migrate", why)
                    .with("collection", planned.name()));
            }
            if planned.history.is_some() && entry.history.is_none() {
                let why = "it holds no history, which this run is to copy";
                return Err(Error::new(ErrorKind::Invalid, "migrate", why)
                    .with("collection", planned.name()));
            }
        }
        Ok(archive)
    }

    /// What has arrived was upgraded as it was declared then.
    fn check_upgrades(&self, checkpoint: &Checkpoint) -> Result<()> {
        if checkpoint.upgrades == fingerprints(&self.plan.upgrading()) {
            return Ok(());
        }
        let why = "other upgrades are declared now than when the unfinished run began";
        Err(self
            .plan
            .target
            .err(Error::new(ErrorKind::ConfigInvalid, "migrate", why))
            .hint("resume with the schema files that it began with, or choose an empty target"))
    }

    fn new_checkpoint(&self) -> Checkpoint {
        Checkpoint::new(Begun {
            source: self.plan.source.location().to_owned(),
            target: self.plan.target.location().to_owned(),
            collections: self.plan.named.clone(),
            on_conflict: self.options.on_conflict,
            started_at: self.started_at,
            into_empty: self.plan.target_is_empty(),
            upgrades: fingerprints(&self.plan.upgrading()),
        })
    }

    /// Takes the migration for this run, if it does not hold it yet.
    pub(crate) async fn hold(&mut self) -> Result<&Lease> {
        let lease = match self.lease.take() {
            Some(lease) => lease,
            None => {
                let stored = self.plan.found.as_ref().map(|found| found.stored.clone());
                let (target, job) = (&self.plan.target, self.plan.job());
                Lease::take(target, job, stored, self.new_checkpoint()).await?
            }
        };
        Ok(self.lease.insert(lease))
    }

    /// Makes what the target lacks and copies every collection, or as much as
    /// was done when the run was asked to end.
    pub(crate) async fn copy(
        &mut self,
        checks: &[SourceCheck],
        done: &mut RunReport,
    ) -> Result<()> {
        let plan = self.plan;
        let since = self.phase(Phase::Copy, Some(plan.live_total()));
        done.prepared = Some(copier::prepare(plan).await?);
        let (options, progress, counted) = (self.options, self.progress, self.counted);
        let lease = self.hold().await?;
        let origin = done.origin.as_ref();
        lease.save(|checkpoint| describe(checkpoint, checks, plan, done)).await?;
        copier::raise_floors(plan).await?;
        done.histories = history::copy::begin(plan, checks).await?;
        let origin = origin.map_or(Origin::Source, Origin::Archive);
        let throttle =
            Throttle::new(options.workers, options.rate_limit, options.patience, progress);
        let copier = Copier { plan, options, origin, lease, progress, throttle };
        done.stopped = !copier.copy().await?;
        let mut times = vec![time_of(Phase::Copy, since, counted)];
        if !done.stopped && plan.carries_history() {
            progress.phase(Phase::History, None);
            let since = Instant::now();
            done.stopped = !copier.copy_versions().await?;
            if !done.stopped {
                copier.copy_items().await?;
            }
            times.push(time_of(Phase::History, since, counted));
        }
        done.refusals = copier.throttle.refusals();
        if !done.stopped {
            lease.save(|checkpoint| checkpoint.stage = Stage::Verify).await?;
        }
        let kept = lease.checkpoint().await.copied;
        let copied =
            plan.collections.iter().map(|one| kept.get(one.name()).copied().unwrap_or_default());
        done.copied = Some(copied.collect());
        self.phases.extend(times);
        Ok(())
    }

    /// Makes the indexes that were left until every record is there; also when
    /// an earlier run copied them all and did not come to it. Without such
    /// indexes it ends the load that this run `began`.
    pub(crate) async fn complete(&mut self, began: bool) -> Result<()> {
        if !self.plan.target.capabilities().indexes_after_load {
            return if began { copier::complete(self.plan).await } else { Ok(()) };
        }
        let since = self.phase(Phase::Index, None);
        copier::complete(self.plan).await?;
        self.took(Phase::Index, since);
        Ok(())
    }
}

/// What tells the upgrades of a plan from others.
fn fingerprints(upgrading: &Upgrading) -> BTreeMap<CollectionName, String> {
    upgrading.iter().map(|(name, path)| (name.clone(), path.fingerprint())).collect()
}

/// Notes the archives, and what there is to copy where that is not known yet.
fn describe(
    checkpoint: &mut Checkpoint,
    checks: &[SourceCheck],
    plan: &crate::plan::MigrationPlan,
    done: &RunReport,
) {
    checkpoint.stage = Stage::Copy;
    checkpoint.archive = done.origin.as_ref().map(ArchiveRef::to);
    checkpoint.target_archive = done.target_backup.as_ref().map(ArchiveRef::to);
    for (planned, check) in plan.collections.iter().zip(checks) {
        let (of, replaced, raised) = (check.counts.read, check.replaced, check.raised);
        let fresh = Copied { of, replaced, raised, ..Copied::default() };
        checkpoint.copied.entry(planned.name().clone()).or_insert(fresh);
    }
}
