//! Accounting for a run: its report, and how it ended.

use std::collections::BTreeMap;
use std::path::PathBuf;

use repo_core::strategy::{HistoryState, Prepared};
use repo_core::{Clock as _, CollectionName, Error, SystemClock};

use crate::archive::Archive;
use crate::check::source_checks::SourceCheck;
use crate::history::check::HistoryCheck;
use crate::job::checkpoint::Copied;
use crate::plan::{PlannedCollection, Purpose};
use crate::report::{
    BlobsReport, Carried, CollectionReport, Counts, Floors, HistoryReport, KeptHistory,
    MigrationReport, Outcome,
};
use crate::run::MigrationRun;
use crate::verify::report::VerifyReport;

/// What a run did to the target.
#[derive(Default)]
pub(crate) struct RunReport {
    pub(crate) prepared: Option<Vec<Prepared>>,
    /// The target's answers, by collection; none when nothing was written.
    pub(crate) copied: Option<Vec<Copied>>,
    /// The histories that the target keeps since the run wrote to it.
    pub(crate) histories: BTreeMap<CollectionName, HistoryState>,
    /// The archive that is copied from.
    pub(crate) origin: Option<Archive>,
    pub(crate) target_backup: Option<Archive>,
    pub(crate) quarantine: Option<PathBuf>,
    /// How often the target refused a batch for a while.
    pub(crate) refusals: u64,
    pub(crate) verification: Option<VerifyReport>,
    /// What became of the blobs.
    pub(crate) blobs: Option<Box<BlobsReport>>,
    /// Whether it was asked to end before it was done.
    pub(crate) stopped: bool,
}

impl RunReport {
    /// After the archives are made, an error says where they are, and after the
    /// first write how to resume.
    pub(crate) fn explain(&self, error: Error, written: bool) -> Error {
        let mut error = error;
        for (name, archive) in [("backup", &self.origin), ("target_backup", &self.target_backup)] {
            if let Some(archive) = archive {
                error = error.with(name, archive.path().display());
            }
        }
        if error.hint_text().is_some() || !written {
            return error;
        }
        error.hint("what was copied stays; the same command resumes from there")
    }
}

impl MigrationRun<'_> {
    /// The report of a run as far as it came.
    pub(crate) fn report(&mut self, checks: Vec<SourceCheck>, done: RunReport) -> MigrationReport {
        let outcome = self.outcome(&checks, &done);
        let mut totals = Counts::default();
        let mut collections = Vec::new();
        for (at, check) in checks.into_iter().enumerate() {
            let Some(report) = self.collection_report(at, check, &done) else { continue };
            totals.add(&report.counts);
            collections.push(report);
        }
        let warnings = self.all_warnings(&collections);
        let path = |archive: &Archive| archive.path().to_owned();
        let backup = done.origin.as_ref().filter(|_| self.plan.purpose == Purpose::Migrate);
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
            backup: backup.map(path),
            target_backup: done.target_backup.as_ref().map(path),
            verification: done.verification,
            blobs: done.blobs,
            quarantine: done.quarantine,
            clean_up: None,
            refusals: done.refusals,
            resumed: self.resumed,
            warnings,
        }
    }

    fn all_warnings(&mut self, collections: &[CollectionReport]) -> Vec<String> {
        for collection in collections {
            for dangling in &collection.dangling {
                self.warn(format!(
                    "{} of {} refer with {} to {} that are not in the source",
                    dangling.count, collection.name, dangling.field, dangling.refers_to
                ));
            }
        }
        for collection in collections {
            let Some((source, target)) =
                collection.history.as_ref().and_then(|it| Some((it.source?, it.target?)))
            else {
                continue;
            };
            if target.since > source.since {
                self.warn(format!(
                    "the history of {} begins at {} in the target, later than in the source: \
                     what it held there is not known from before",
                    collection.name, target.since
                ));
            }
        }
        std::mem::take(&mut self.warnings)
    }

    fn collection_report(
        &self,
        at: usize,
        check: SourceCheck,
        done: &RunReport,
    ) -> Option<CollectionReport> {
        let planned = self.plan.collections.get(at)?;
        let (source, target_before) = (planned.source.floor, planned.target_floor());
        let name = planned.name();
        let prepared = done
            .prepared
            .as_ref()
            .and_then(|all| all.iter().find(|one| one.collection == *name).map(|one| one.change));
        // What the target answered counts, not what was to be expected of it.
        let expected = Copied {
            counts: check.counts,
            replaced: check.replaced,
            raised: check.raised,
            ..Copied::default()
        };
        let answered = done.copied.as_ref().and_then(|copied| copied.get(at).copied());
        let mut copied = answered.unwrap_or(expected);
        // What the source cannot read, and what no archive can hold, did not
        // come to the copy.
        if answered.is_some() {
            let unarchivable = if done.origin.is_some() { check.unarchivable } else { 0 };
            copied.counts.read += check.unreadable + unarchivable;
            copied.counts.quarantined += check.unreadable + unarchivable;
        }
        let kept = done.histories.get(name).copied();
        let history = self.history_report(planned, check.history, (answered, kept));
        Some(CollectionReport {
            name: name.clone(),
            counts: copied.counts,
            replaced: copied.replaced,
            raised: copied.raised,
            upgrade: planned.upgrade.as_ref().map(|path| path.versions()).unwrap_or_default(),
            prepared,
            floors: Floors { source, target_before, target_after: target_before.max(source) },
            only_in_target: check.only_in_target,
            left_differing: check.left_differing,
            quarantined_entities: check.offenders,
            dangling: check.dangling,
            history,
        })
    }

    fn history_report(
        &self,
        planned: &PlannedCollection,
        check: HistoryCheck,
        (answered, kept): (Option<Copied>, Option<HistoryState>),
    ) -> Option<HistoryReport> {
        if planned.history.is_none() && planned.items == 0 {
            return None;
        }
        let target = kept.or_else(|| {
            let history = planned.history?;
            Some(history.wanted(planned.target_holds, check.own_past, self.started_at))
        });
        let unread = Carried { read: planned.items, applied: planned.items, ..Carried::default() };
        Some(HistoryReport {
            source: planned.history.map(|history| history.source.into()),
            target: target.map(KeptHistory::from),
            versions: answered.map_or(check.versions, |copied| copied.versions),
            items: if check.items.is_nothing() { unread } else { check.items },
            left_differing: check.left,
        })
    }

    fn outcome(&self, checks: &[SourceCheck], done: &RunReport) -> Outcome {
        if done.stopped {
            return Outcome::Interrupted;
        }
        let blobs_arrived = done.blobs.as_ref().is_none_or(|blobs| blobs.is_whole());
        if self.options.dry_run && !blobs_arrived {
            return Outcome::DryRunDiffers;
        }
        if self.options.dry_run {
            let partly =
                self.undecided || checks.iter().any(|check| check.leaves_differences(self.plan));
            return if partly { Outcome::DryRunPartly } else { Outcome::DryRun };
        }
        // More left than was found before the copy: someone else writes. Where
        // batches were written twice, the second time meets the first.
        let left = |counts: &Counts| (counts.older, counts.diverged);
        let as_expected = self.resumed.is_some()
            || done.refusals > 0
            || done.copied.as_ref().is_none_or(|copied| {
                let pairs = copied.iter().zip(checks);
                pairs.into_iter().all(|(a, check)| left(&a.counts) == left(&check.counts))
            });
        let equal = done.verification.as_ref().is_none_or(|report| report.equal);
        if !as_expected || !equal || !blobs_arrived {
            Outcome::Differs
        } else if checks.iter().any(|check| check.leaves_differences(self.plan)) {
            Outcome::Partly
        } else if done.verification.is_some() {
            Outcome::Verified
        } else {
            Outcome::DoneUnverified
        }
    }
}
