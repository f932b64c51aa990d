//! A whole migration, phase by phase.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use repo_core::strategy::{Sameness, StorageStrategy};
use repo_core::{Clock as _, CollectionName, Result, Schemas, SystemClock};

use crate::MigrationOptions;
use crate::OnConflict;
use crate::archive::Archive;
use crate::back_up::{self, ArchiveOptions};
use crate::blobs::places::BlobMove;
use crate::check::source_checks::{CheckOptions, SourceCheck, SourceChecker};
use crate::copy::quarantine::Quarantine;
use crate::erase::marked;
use crate::plan::refusals;
use crate::plan::sameness::{give_own_id, is_seen, same_store};
use crate::plan::{MigrationPlan, Purpose};
use crate::progress::counting::CountingProgress;
use crate::progress::{Phase, Progress};
use crate::report::MigrationReport;
use crate::report::run_report::RunReport;
use crate::run::MigrationRun;
use crate::store_reference::StoreReference;
use crate::upgrade::path::Upgrading;
use crate::verify::comparison::Expected;
use crate::verify::digest::Sums;
use crate::verify::report::Depth;
use crate::verify::{CompareOptions, compare};

/// Moves collections from `source` to `target`: every check, the archives, the
/// copy, and the comparison of both sides afterwards. The source is only read.
///
/// Open the source read-only. For a dry run open the target read-only as well,
/// or, where it does not exist yet, for writing: nothing is made before
/// `prepare`, which a dry run does not call. A run that was killed, that
/// failed, or that `progress` ended, is resumed by the same call.
///
/// # Errors
/// Before anything is written to the target: `ConfigInvalid` for one store as
/// both sides or an unknown collection; `Locked` while another migration into
/// the target is unfinished, or another run is at work on this one; `Invalid`
/// when the target cannot hold an entity; `AlreadyExists` when it holds other
/// records and `on_conflict` is `Fail`; `LimitExceeded` when the disk has no
/// room for the archives; `Corrupt` when an archive does not read back.
/// Afterwards: what either side refuses, with `side` in the context.
pub async fn migrate(
    source: &Arc<dyn StorageStrategy>,
    target: &Arc<dyn StorageStrategy>,
    schemas: &Schemas,
    options: &MigrationOptions,
    progress: &dyn Progress,
) -> Result<MigrationReport> {
    let sides = (StoreReference::source(source), StoreReference::target(target));
    Box::pin(run(Purpose::Migrate, sides, (None, None), (schemas, options), progress)).await
}

/// Plans a run and does it. A restore copies from `archive`; `blobs` go along.
pub(crate) async fn run(
    purpose: Purpose,
    (source, target): (StoreReference, StoreReference),
    (archive, blobs): (Option<Archive>, Option<&BlobMove>),
    (schemas, options): (&Schemas, &MigrationOptions),
    progress: &dyn Progress,
) -> Result<MigrationReport> {
    let started_at = SystemClock.now();
    let sides = (source, target, archive.clone());
    let plan = MigrationPlan::make(purpose, sides, schemas, options, started_at).await?;
    let counted = CountingProgress::new(progress);
    let mut run = MigrationRun {
        plan: &plan,
        options,
        progress: &counted,
        counted: &counted,
        started_at,
        phases: Vec::new(),
        warnings: Vec::new(),
        lease: None,
        resumed: None,
        from_empty: false,
        undecided: false,
        blobs,
        source_mark: None,
    };
    let mut done = RunReport { origin: archive, ..RunReport::default() };
    let ended = match run.phases(&mut done).await {
        Ok(checks) => Ok(run.report(checks, done)),
        Err(error) => Err(done.explain(error, run.lease.is_some())),
    };
    if let Some(lease) = run.lease.take()
        && let Err(error) = lease.give_back().await
    {
        // The run's own end is what counts; the lease will run out.
        tracing::warn!(%error, "the lock of the migration could not be given back");
    }
    ended
}

impl MigrationRun<'_> {
    /// Does everything, or stops when asked to.
    async fn phases(&mut self, done: &mut RunReport) -> Result<Vec<SourceCheck>> {
        for warning in &self.plan.warnings {
            self.warn(warning.clone());
        }
        // Into a target that holds nothing, reading the source already makes
        // its archive.
        if self.plan.target_is_empty() {
            self.plan.target.check_prepare(&self.plan.schemas()).await?;
        }
        self.take_up(done).await?;
        self.tell_apart().await?;
        marked::refuse(self.plan).await?;
        let progress = self.progress;
        let Some(mut checks) = or_stop(progress, self.look(done)).await? else {
            done.stopped = true;
            return Ok(Vec::new());
        };
        if self.options.quarantine.is_none() {
            refusals::offenders(self.plan, &checks)?;
        }
        refusals::offending_versions(self.plan, &checks)?;
        if self.options.on_conflict == OnConflict::Fail {
            refusals::conflicts(self.plan, &checks)?;
        }
        let must_write = self.must_write(&checks);
        if must_write && !self.plan.target_is_empty() {
            self.plan.target.check_prepare(&self.plan.schemas()).await?;
        }
        let must_archive = must_write || self.options.clean_up;
        if must_archive && let Some(folder) = &self.options.backup {
            self.check_space(folder, &checks, done).await?;
        }
        if or_stop(progress, Box::pin(self.plan_blobs(done))).await?.is_none() {
            done.stopped = true;
            return Ok(checks);
        }
        if self.options.dry_run {
            return Ok(checks);
        }
        if must_archive && or_stop(progress, self.back_up(&mut checks, done)).await?.is_none() {
            done.stopped = true;
            return Ok(checks);
        }
        if Box::pin(self.copy_blobs(done)).await?.is_none() {
            done.stopped = true;
            return Ok(checks);
        }
        if must_write {
            self.copy(&checks, done).await?;
        } else if self.plan.found.is_some() {
            self.hold().await?;
        }
        if !done.stopped && self.lease.is_some() {
            self.complete(done.prepared.is_some()).await?;
        }
        if !done.stopped {
            done.stopped = or_stop(progress, self.verify(&checks, done)).await?.is_none();
        }
        if !done.stopped {
            let verified = Box::pin(self.verify_blobs(done));
            done.stopped = or_stop(progress, verified).await?.is_none();
        }
        if !done.stopped
            && let Some(lease) = self.lease.take()
        {
            lease.finish().await?;
        }
        Ok(checks)
    }

    /// Makes sure that both sides are two stores, as far as the run needs to
    /// know, and that a copy has an id of its own.
    ///
    /// # Errors
    /// `ConfigInvalid` for one store under two names; `Locked` when another
    /// run is at work on the target.
    async fn tell_apart(&mut self) -> Result<()> {
        let plan = self.plan;
        let (source, target, evidence) = (&plan.source, &plan.target, &plan.evidence);
        let operation = plan.purpose.operation();
        let undecided = evidence.sameness == Sameness::Undecided
            && (self.options.clean_up || evidence.shared_id.is_some());
        if self.options.dry_run {
            self.undecided = undecided && self.options.clean_up;
            if self.undecided {
                self.warn(
                    "whether source and target are two stores shows only by a write: the run \
                     decides it before anything else, and ends if they are one"
                        .to_owned(),
                );
            }
            return Ok(());
        }
        if undecided && self.is_one_store().await? {
            return Err(same_store(source, target, operation));
        }
        if plan.found.is_none()
            && let Some(shared) = evidence.shared_id
        {
            let id = give_own_id(target, shared).await?;
            self.warn(format!(
                "the target is a copy of the source and had its id; its own id is {id} now"
            ));
        }
        Ok(())
    }

    /// Asks with a mark. Where a migration into the target is unfinished, the
    /// lease of this run is the mark: it is of this run alone as well.
    async fn is_one_store(&mut self) -> Result<bool> {
        let plan = self.plan;
        if plan.found.is_none() {
            return is_seen(&plan.target, &plan.source).await;
        }
        let claimed = self.hold().await?.id().clone();
        let seen = plan.source.unfinished_job_afresh().await?;
        self.hold().await?.save(|_| ()).await?;
        Ok(seen.is_some_and(|seen| *seen.id() == claimed))
    }

    fn pass(&self) -> CheckOptions {
        CheckOptions {
            batch_size: self.options.batch_size,
            on_conflict: self.options.on_conflict,
            references: self.plan.purpose == Purpose::Migrate,
            quarantine: self.options.quarantine.is_some(),
            counts_versions: self.options.dry_run,
        }
    }

    fn making<'b>(&self, folder: &'b Path) -> ArchiveOptions<'b> {
        ArchiveOptions {
            folder,
            now: self.started_at,
            compression: self.options.compression,
            batch_size: self.options.batch_size,
            leaves_out: self.options.quarantine.is_some(),
        }
    }

    /// Reads what is to be copied. An archive that is there already is read
    /// back first; where the run that is resumed began with it and with
    /// an empty target, that is all.
    async fn look(&mut self, done: &mut RunReport) -> Result<Vec<SourceCheck>> {
        if let Some(archive) = &done.origin {
            let mut sums = self.read_back(&[archive], &self.plan.upgrading()).await?;
            if self.from_empty {
                let names = self.plan.collections.iter().map(|planned| planned.name());
                return Ok(names
                    .map(|name| SourceCheck::of_archive(sums.remove(name).unwrap_or(Sums::new())))
                    .collect());
            }
        }
        let quarantine = match &self.options.quarantine {
            Some(place) => Some(Quarantine::at(place).await?),
            None => None,
        };
        let mut quarantine = quarantine.filter(|_| !self.options.dry_run);
        let (checks, archive) = self.check(done.origin.is_none(), &mut quarantine).await?;
        if let Some(quarantine) = quarantine {
            done.quarantine = quarantine.finish().await?;
        }
        if let Some(archive) = archive {
            self.read_back(&[&archive], &Upgrading::new()).await?;
            done.origin = Some(archive);
        }
        Ok(checks)
    }

    /// Reads the source. Into an empty target everything that is read will be
    /// written, so the same pass makes the archive, if one is `wanted`.
    async fn check(
        &mut self,
        wanted: bool,
        quarantine: &mut Option<Quarantine>,
    ) -> Result<(Vec<SourceCheck>, Option<Archive>)> {
        let plan = self.plan;
        let archive = match &self.options.backup {
            Some(folder) if wanted && !self.options.dry_run && plan.target_is_empty() => {
                Some(folder)
            }
            _ => None,
        };
        self.source_mark = plan.source.state_mark().await;
        let phase = if archive.is_some() { Phase::Backup } else { Phase::Check };
        let since = self.phase(phase, Some(plan.live_total()));
        let result = match archive {
            Some(folder) => {
                plan.check_space(folder, false).await?;
                let making = self.making(folder);
                let (pass, progress) = (self.pass(), self.progress);
                back_up::check_into_archive(plan, pass, making, quarantine, progress).await?
            }
            None => {
                let mut checks = Vec::new();
                for planned in &plan.collections {
                    let mut checker =
                        SourceChecker::begin(plan, planned, self.pass(), false).await?;
                    while let Some(batch) = checker.next().await? {
                        self.progress.advance(planned.name(), batch.records.len() as u64);
                        batch.set_aside(quarantine, &planned.schema).await?;
                    }
                    checks.push(checker.finish().await?);
                }
                (checks, None)
            }
        };
        self.took(phase, since);
        Ok(result)
    }

    /// Whether the target lacks anything: a record, a collection, a floor.
    fn must_write(&self, checks: &[SourceCheck]) -> bool {
        self.plan.collections.iter().zip(checks).any(|(planned, check)| {
            let as_declared = planned
                .target
                .is_some_and(|state| state.schema_version == planned.schema.schema_version);
            !as_declared
                || !check.nothing_to_write()
                || planned.source.floor > planned.target_floor()
                || planned.begins_history(check.history.own_past, self.started_at)
        })
    }

    async fn check_space(
        &self,
        folder: &Path,
        checks: &[SourceCheck],
        done: &RunReport,
    ) -> Result<()> {
        if done.origin.is_some() && !self.needs_target_archive(checks, done) {
            return Ok(());
        }
        self.plan.check_space(folder, replaces(checks)).await
    }

    fn needs_target_archive(&self, checks: &[SourceCheck], done: &RunReport) -> bool {
        replaces(checks) && done.target_backup.is_none()
    }

    /// Makes the archives that are not there yet, and reads them back.
    async fn back_up(&mut self, checks: &mut [SourceCheck], done: &mut RunReport) -> Result<()> {
        let Some(folder) = &self.options.backup else { return Ok(()) };
        let (plan, making) = (self.plan, self.making(folder));
        let of_target = self.needs_target_archive(checks, done);
        if done.origin.is_some() && !of_target {
            return Ok(());
        }
        let since = self.phase(Phase::Backup, Some(plan.live_total()));
        let mut made = Vec::new();
        if done.origin.is_none() {
            let archive = back_up::archive_source(plan, checks, making, self.progress).await?;
            made.push(archive.clone());
            done.origin = Some(archive);
        }
        if of_target {
            let archive = back_up::archive_target(plan, making, self.progress).await?;
            made.push(archive.clone());
            done.target_backup = Some(archive);
        }
        self.took(Phase::Backup, since);
        self.read_back(&made.iter().collect::<Vec<_>>(), &Upgrading::new()).await?;
        Ok(())
    }

    /// Reads archives in full; the sums are those of the last one.
    async fn read_back(
        &mut self,
        archives: &[&Archive],
        upgrading: &Upgrading,
    ) -> Result<BTreeMap<CollectionName, Sums>> {
        let total = archives.iter().map(|archive| archive.manifest().records()).sum();
        let since = self.phase(Phase::BackupCheck, Some(total));
        let mut sums = BTreeMap::new();
        for archive in archives {
            sums = archive.read_back(upgrading, self.progress).await?;
        }
        self.took(Phase::BackupCheck, since);
        Ok(sums)
    }

    /// Whether the source says that nobody wrote to it since this run read all
    /// of it: reading it once more would add nothing (decision 0042). What is
    /// in quarantine has sums that are no reading's.
    async fn source_is_as_read(&self) -> bool {
        let Some(mark) = &self.source_mark else { return false };
        self.options.quarantine.is_none()
            && self.plan.source.state_mark().await.as_ref() == Some(mark)
    }

    async fn verify(&mut self, checks: &[SourceCheck], done: &mut RunReport) -> Result<()> {
        if !self.options.verify {
            return Ok(());
        }
        let since = Instant::now();
        let unchanged = self.source_is_as_read().await;
        let chosen = self
            .plan
            .collections
            .iter()
            .zip(checks)
            .map(|(planned, check)| {
                let expected = Expected {
                    read: &check.sums,
                    deltas: &check.deltas,
                    // The past of the source was not kept in sums.
                    unchanged: unchanged && planned.history.is_none(),
                    versions: &check.history.deltas,
                    replaces_items: self.options.on_conflict != OnConflict::Newer,
                };
                (planned.name().clone(), Some(expected))
            })
            .collect();
        let (source, target) = (&self.plan.source, &self.plan.target);
        let upgrading = self.plan.upgrading();
        // An archive that was checked before gives sums of whole records, and
        // the target then holds the versions that are in it.
        let depth = if self.from_empty { Depth::Complete } else { self.plan.depth };
        let how = CompareOptions {
            depth,
            upgrading: &upgrading,
            kept: None,
            restored: self.plan.restored.as_ref(),
            with_history: !self.options.without_history,
        };
        done.verification = Some(compare(source, target, chosen, how, self.progress).await?);
        self.took(Phase::Verify, since);
        Ok(())
    }
}

/// Does some work, or leaves it when the run is to end: then `None`.
async fn or_stop<T>(
    progress: &dyn Progress,
    work: impl Future<Output = Result<T>>,
) -> Result<Option<T>> {
    tokio::select! {
        biased;
        () = progress.stopped() => Ok(None),
        done = work => done.map(Some),
    }
}

/// Whether records that the target holds are going to change.
fn replaces(checks: &[SourceCheck]) -> bool {
    checks.iter().any(|check| check.replaced > 0 || check.history.replaces_items)
}
