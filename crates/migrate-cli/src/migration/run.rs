//! A whole migration, phase by phase.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use repo_core::{
    Clock as _, Error, Prepared, Result, Schemas, StorageStrategy, SystemClock, Timestamp,
};

use super::archive::Archive;
use super::backup::{self, Making};
use super::copy::{self, Origin};
use super::pair::Expected;
use super::plan::{Plan, Purpose};
use super::progress::{Phase, Progress};
use super::refuse;
use super::report::{CollectionReport, Counts, Floors, MigrationReport, Outcome, PhaseTime};
use super::side::Side;
use super::survey::{Pass, Survey, survey};
use super::verify::compare;
use super::verify_report::VerifyReport;
use super::{MigrationOptions, OnConflict};

/// Moves collections from `source` to `target`: every check, the archives, the
/// copy, and the comparison of both sides afterwards. The source is only read.
///
/// Open the source read-only. For a dry run open the target read-only as well,
/// or, where it does not exist yet, for writing: nothing is made before
/// `prepare`, which a dry run does not call. A run that was killed is repeated
/// by the same call.
///
/// # Errors
/// Before anything is written to the target: `ConfigInvalid` for one store as
/// both sides or an unknown collection; `Locked` while another migration into
/// the target is unfinished; `Invalid` when the target cannot hold an entity;
/// `Conflict` when it holds other records and `on_conflict` is `Fail`;
/// `LimitExceeded` when the disk has no room for the archives; `Corrupt` when
/// an archive does not read back. Afterwards: what either side refuses, with
/// `side` in the context.
pub async fn migrate(
    source: &Arc<dyn StorageStrategy>,
    target: &Arc<dyn StorageStrategy>,
    schemas: &Schemas,
    options: &MigrationOptions,
    progress: &dyn Progress,
) -> Result<MigrationReport> {
    let sides = (Side::source(source), Side::target(target));
    run(Purpose::Migrate, sides, schemas, options, progress).await
}

/// Plans a run and does it.
pub(super) async fn run(
    purpose: Purpose,
    (source, target): (Side, Side),
    schemas: &Schemas,
    options: &MigrationOptions,
    progress: &dyn Progress,
) -> Result<MigrationReport> {
    let started_at = SystemClock.now();
    let plan = Plan::make(purpose, (source, target), schemas, options, started_at).await?;
    let mut run = Run { plan: &plan, options, progress, started_at, phases: Vec::new() };
    run.begin().await
}

/// A run, and how long its phases took.
struct Run<'a> {
    plan: &'a Plan,
    options: &'a MigrationOptions,
    progress: &'a dyn Progress,
    started_at: Timestamp,
    phases: Vec<PhaseTime>,
}

/// What a run did to the target.
#[derive(Default)]
struct Done {
    prepared: Option<Vec<Prepared>>,
    /// The target's answers, by collection; none when nothing was written.
    counts: Option<Vec<Counts>>,
    backup: Option<Archive>,
    target_backup: Option<Archive>,
    verification: Option<VerifyReport>,
}

impl Run<'_> {
    async fn begin(&mut self) -> Result<MigrationReport> {
        for warning in &self.plan.warnings {
            self.progress.warning(warning);
        }
        let (mut surveys, backup) = self.check().await?;
        refuse::offenders(self.plan, &surveys)?;
        if self.options.on_conflict == OnConflict::Fail {
            refuse::conflicts(self.plan, &surveys)?;
        }
        let mut done = Done { backup, ..Done::default() };
        let must_write = self.must_write(&surveys);
        if let Some(folder) = &self.options.backup
            && must_write
            && done.backup.is_none()
        {
            self.plan.check_space(folder, replaces(&surveys)).await?;
        }
        if !self.options.dry_run {
            if must_write {
                self.back_up(&mut surveys, &mut done).await?;
                self.copy(&mut done).await.map_err(|error| name_backup(error, &done))?;
            }
            self.verify(&surveys, &mut done).await.map_err(|error| name_backup(error, &done))?;
            if done.counts.is_some() || self.plan.unfinished {
                self.plan.mark.clear(&self.plan.target).await?;
            }
        }
        Ok(self.report(surveys, done))
    }

    fn phase(&mut self, phase: Phase, total: Option<u64>) -> Instant {
        self.progress.phase(phase, total);
        Instant::now()
    }

    fn took(&mut self, phase: Phase, since: Instant) {
        let duration_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.phases.push(PhaseTime { phase, duration_ms });
    }

    fn pass(&self) -> Pass {
        Pass {
            batch_size: self.options.batch_size,
            on_conflict: self.options.on_conflict,
            references: self.plan.purpose == Purpose::Migrate,
        }
    }

    fn making<'b>(&self, folder: &'b Path) -> Making<'b> {
        Making {
            folder,
            now: self.started_at,
            compression: self.options.compression,
            batch_size: self.options.batch_size,
        }
    }

    /// Reads the source. Into an empty target everything that is read will be
    /// written, so the same pass makes the archive.
    async fn check(&mut self) -> Result<(Vec<Survey>, Option<Archive>)> {
        let plan = self.plan;
        let archive = match &self.options.backup {
            Some(folder) if !self.options.dry_run && plan.target_is_empty() => Some(folder),
            _ => None,
        };
        let phase = if archive.is_some() { Phase::Backup } else { Phase::Check };
        let since = self.phase(phase, Some(plan.live_total()));
        let result = match archive {
            Some(folder) => {
                plan.check_space(folder, false).await?;
                let making = self.making(folder);
                backup::survey_into_archive(plan, self.pass(), making, self.progress).await?
            }
            None => {
                let mut surveys = Vec::new();
                for planned in &plan.collections {
                    let (found, _) =
                        survey(plan, planned, self.pass(), None, self.progress).await?;
                    surveys.push(found);
                }
                (surveys, None)
            }
        };
        self.took(phase, since);
        Ok(result)
    }

    /// Whether the target lacks anything: a record, a collection, a floor.
    fn must_write(&self, surveys: &[Survey]) -> bool {
        self.plan.collections.iter().zip(surveys).any(|(planned, survey)| {
            let as_declared = planned
                .target
                .is_some_and(|state| state.schema_version == planned.schema.schema_version);
            !as_declared
                || !survey.nothing_to_write()
                || planned.source.floor > planned.target_floor()
        })
    }

    async fn back_up(&mut self, surveys: &mut [Survey], done: &mut Done) -> Result<()> {
        let Some(folder) = &self.options.backup else { return Ok(()) };
        let (plan, making) = (self.plan, self.making(folder));
        let replaces = replaces(surveys);
        if done.backup.is_none() || replaces {
            let since = self.phase(Phase::Backup, Some(plan.live_total()));
            if done.backup.is_none() {
                let archive = backup::archive_source(plan, surveys, making, self.progress);
                done.backup = Some(archive.await?);
            }
            if replaces {
                let archive = backup::archive_target(plan, making, self.progress);
                done.target_backup = Some(archive.await?);
            }
            self.took(Phase::Backup, since);
        }
        let archives = [&done.backup, &done.target_backup];
        let total = archives
            .iter()
            .filter_map(|archive| archive.as_ref())
            .map(|archive| archive.manifest().records())
            .sum();
        let since = self.phase(Phase::BackupCheck, Some(total));
        for archive in archives.into_iter().flatten() {
            archive.verify(self.progress).await?;
        }
        self.took(Phase::BackupCheck, since);
        Ok(())
    }

    async fn copy(&mut self, done: &mut Done) -> Result<()> {
        let plan = self.plan;
        let since = self.phase(Phase::Copy, Some(plan.live_total()));
        done.prepared = Some(copy::prepare(plan).await?);
        let origin = match &done.backup {
            Some(archive) => Origin::Archive(archive),
            None => Origin::Source,
        };
        let (on_conflict, batch_size) = (self.options.on_conflict, self.options.batch_size);
        let mut counts = Vec::new();
        for planned in &plan.collections {
            let copied = copy::copy(plan, planned, origin, on_conflict, batch_size, self.progress);
            counts.push(copied.await?);
        }
        done.counts = Some(counts);
        self.took(Phase::Copy, since);
        Ok(())
    }

    async fn verify(&mut self, surveys: &[Survey], done: &mut Done) -> Result<()> {
        if !self.options.verify {
            return Ok(());
        }
        let since = Instant::now();
        let chosen = self
            .plan
            .collections
            .iter()
            .zip(surveys)
            .map(|(planned, survey)| {
                let expected = Expected { read: &survey.sums, deltas: &survey.deltas };
                (planned.name().clone(), Some(expected))
            })
            .collect();
        let (source, target) = (&self.plan.source, &self.plan.target);
        done.verification = Some(compare(source, target, chosen, self.progress).await?);
        self.took(Phase::Verify, since);
        Ok(())
    }

    fn report(&mut self, surveys: Vec<Survey>, done: Done) -> MigrationReport {
        let outcome = self.outcome(&surveys, &done);
        let mut totals = Counts::default();
        let mut collections = Vec::new();
        for (at, survey) in surveys.into_iter().enumerate() {
            let Some(report) = self.collection_report(at, survey, &done) else { continue };
            totals.add(&report.counts);
            collections.push(report);
        }
        let mut warnings = self.plan.warnings.clone();
        for collection in &collections {
            for dangling in &collection.dangling {
                let warning = format!(
                    "{} of {} refer with {} to {} that are not in the source",
                    dangling.count, collection.name, dangling.field, dangling.refers_to
                );
                self.progress.warning(&warning);
                warnings.push(warning);
            }
        }
        MigrationReport {
            outcome,
            source: self.plan.source.location().to_owned(),
            target: self.plan.target.location().to_owned(),
            on_conflict: self.options.on_conflict,
            started_at: self.started_at,
            finished_at: SystemClock.now(),
            phases: std::mem::take(&mut self.phases),
            collections,
            totals,
            backup: done.backup.map(|archive| archive.path().to_owned()),
            target_backup: done.target_backup.map(|archive| archive.path().to_owned()),
            verification: done.verification,
            warnings,
        }
    }

    fn collection_report(
        &self,
        at: usize,
        survey: Survey,
        done: &Done,
    ) -> Option<CollectionReport> {
        let planned = self.plan.collections.get(at)?;
        let (source, target_before) = (planned.source.floor, planned.target_floor());
        let name = planned.name();
        let prepared = done
            .prepared
            .as_ref()
            .and_then(|all| all.iter().find(|one| one.collection == *name).map(|one| one.change));
        // What the target answered counts, not what was to be expected of it.
        let answered = done.counts.as_ref().and_then(|counts| counts.get(at).copied());
        Some(CollectionReport {
            name: name.clone(),
            counts: answered.unwrap_or(survey.counts),
            replaced: survey.replaced,
            raised: survey.raised,
            prepared,
            floors: Floors { source, target_before, target_after: target_before.max(source) },
            only_in_target: survey.only_in_target,
            left_differing: survey.left_differing,
            dangling: survey.dangling,
        })
    }

    fn outcome(&self, surveys: &[Survey], done: &Done) -> Outcome {
        if self.options.dry_run {
            return Outcome::DryRun;
        }
        // More left than was found before the copy: someone else writes.
        let left = |counts: &Counts| (counts.older, counts.diverged);
        let as_expected = done.counts.as_ref().is_none_or(|counts| {
            counts.iter().zip(surveys).all(|(a, survey)| left(a) == left(&survey.counts))
        });
        let equal = done.verification.as_ref().is_none_or(|report| report.equal);
        if !as_expected || !equal {
            Outcome::Differs
        } else if surveys.iter().any(Survey::leaves_differences) {
            Outcome::Partly
        } else if done.verification.is_some() {
            Outcome::Verified
        } else {
            Outcome::DoneUnverified
        }
    }
}

/// Whether records that the target holds are going to change.
fn replaces(surveys: &[Survey]) -> bool {
    surveys.iter().any(|survey| survey.replaced > 0)
}

/// After the archives are made, an error says where they are.
fn name_backup(error: Error, done: &Done) -> Error {
    let mut error = error;
    for (name, archive) in [("backup", &done.backup), ("target_backup", &done.target_backup)] {
        if let Some(archive) = archive {
            error = error.with(name, archive.path().display());
        }
    }
    error
}
