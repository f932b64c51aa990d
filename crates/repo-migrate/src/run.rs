//! A run while it is under way: its plan, its progress, its lease.

use std::time::Instant;

use repo_core::strategy::StateMark;
use repo_core::{Result, Timestamp};

use crate::MigrationOptions;
use crate::blobs::named::names_blobs;
use crate::blobs::places::BlobMove;
use crate::blobs::record::COLLECTION;
use crate::job::lease::Lease;
use crate::plan::{MigrationPlan, PlannedCollection};
use crate::progress::counting::CountingProgress;
use crate::progress::{Phase, Progress};
use crate::report::{PhaseTime, Resumed};

/// A run, and how long its phases took.
pub(crate) struct MigrationRun<'a> {
    pub(crate) plan: &'a MigrationPlan,
    pub(crate) options: &'a MigrationOptions,
    pub(crate) progress: &'a dyn Progress,
    /// The same, asked for what it counted.
    pub(crate) counted: &'a CountingProgress<'a>,
    pub(crate) started_at: Timestamp,
    pub(crate) phases: Vec<PhaseTime>,
    pub(crate) warnings: Vec<String>,
    /// Held from the first write on, or from the start when a run is resumed
    /// with.
    pub(crate) lease: Option<Lease>,
    pub(crate) resumed: Option<Resumed>,
    /// Whether the run that is resumed began with an empty target: all
    /// was checked then.
    pub(crate) from_empty: bool,
    /// Whether a dry run cannot say that both sides are two stores.
    pub(crate) undecided: bool,
    /// The blobs that go along.
    pub(crate) blobs: Option<&'a BlobMove>,
    /// The state of the source before this run read it.
    pub(crate) source_mark: Option<StateMark>,
}

impl MigrationRun<'_> {
    /// Warns the operator, at once and in the report.
    pub(crate) fn warn(&mut self, text: String) {
        self.progress.warning(&text);
        self.warnings.push(text);
    }

    /// Warns where records are moved whose blobs are not.
    pub(crate) async fn say_left_behind(&mut self) -> Result<()> {
        let is_blobs = |planned: &&PlannedCollection| planned.name().as_str() == COLLECTION;
        if !self.plan.collections.iter().any(|planned| is_blobs(&planned))
            || !names_blobs(&self.plan.source).await?
        {
            return Ok(());
        }
        let archived = self.plan.restored.as_ref().map(|archive| &archive.manifest().blobs);
        self.warn(match archived {
            None => "records of the collection blobs name blobs, which are left behind: their \
                     stores were not named"
                .to_owned(),
            Some(Some(blobs)) if blobs.contents => format!(
                "the archive holds {} blobs, which are not put back: their stores were not named",
                blobs.blobs
            ),
            Some(_) => "records of the archive name blobs, and it does not hold their bytes: \
                        those have to be in their stores"
                .to_owned(),
        });
        Ok(())
    }

    pub(crate) fn phase(&mut self, phase: Phase, total: Option<u64>) -> Instant {
        self.progress.phase(phase, total);
        Instant::now()
    }

    pub(crate) fn took(&mut self, phase: Phase, since: Instant) {
        self.phases.push(time_of(phase, since, self.counted));
    }
}

/// How long a phase took that ends now.
pub(crate) fn time_of(phase: Phase, since: Instant, counted: &CountingProgress<'_>) -> PhaseTime {
    let duration_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    PhaseTime { phase, duration_ms, records: counted.take() }
}
