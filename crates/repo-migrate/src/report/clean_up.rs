//! The clean-up after a migration, in its report.

use repo_core::{Clock as _, SystemClock};

use crate::OnConflict;
use crate::cleanup::{CleanUpReport, Verified};
use crate::report::{Counts, MigrationReport, Outcome};
use crate::verify::report::Depth;

impl MigrationReport {
    /// What may be removed from the source: nothing (`None`) unless the run
    /// compared both sides after its last write and found them the same.
    #[must_use]
    pub fn verified(&self) -> Option<Verified> {
        let by_document =
            self.verification.as_ref().is_some_and(|found| found.depth == Depth::Document);
        let collections = || self.collections.iter().map(|one| one.name.clone()).collect();
        (self.outcome == Outcome::Verified)
            .then(|| Verified::new((&self.source, &self.target), collections(), by_document))
    }

    /// The report of a run that only resumes the clean-up of an earlier
    /// one, which copied and verified: it counts no record.
    #[must_use]
    pub fn before_clean_up(verified: &Verified) -> Self {
        let now = SystemClock.now();
        Self {
            blobs: None,
            outcome: Outcome::Verified,
            source: verified.source().to_owned(),
            target: verified.target().to_owned(),
            on_conflict: OnConflict::default(),
            started_at: now,
            finished_at: now,
            phases: Vec::new(),
            collections: Vec::new(),
            totals: Counts::default(),
            backup: None,
            target_backup: None,
            verification: None,
            quarantine: None,
            clean_up: None,
            refusals: 0,
            resumed: None,
            warnings: vec![
                "an unfinished clean-up of the source was found and is resumed".to_owned(),
            ],
        }
    }

    /// Adds what a clean-up after the run did.
    pub fn add_clean_up(&mut self, done: CleanUpReport) {
        if done.interrupted {
            self.outcome = Outcome::Interrupted;
        } else if !done.is_complete() {
            self.outcome = Outcome::Partly;
        }
        self.finished_at = SystemClock.now();
        self.phases.push(done.time);
        self.clean_up = Some(done);
    }
}
