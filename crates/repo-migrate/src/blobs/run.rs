//! The blobs of a migration: planned with its checks, copied before its records, compared
//! after them.

use std::sync::Arc;

use repo_core::strategy::StorageStrategy;
use repo_core::{Error, ErrorKind, Result, Schemas};

use super::census::{self, Census};
use super::check::inspect;
use super::copy::BlobCopy;
use super::pace::Pace;
use super::places::BlobMove;
use super::record::{COLLECTION, collection};
use super::room;
use crate::migrate;
use crate::options::MigrationOptions;
use crate::plan::Purpose;
use crate::progress::{Phase, Progress};
use crate::report::run_report::RunReport;
use crate::report::{BlobDepth, BlobsReport, MigrationReport};
use crate::run::MigrationRun;
use crate::store_reference::StoreReference;

/// As [`migrate`](crate::migrate()), and the blobs that the records of the collection `blobs`
/// are about go along.
///
/// Blobs come first, so no record of the target is without its bytes. They are streamed,
/// several at a time, and compared with the SHA-256 of their record while they pass. A blob
/// that the target has with the right size is left, so a run that was killed resumes where it
/// was; none is ever replaced. What is wrong with a blob is in the report, which is then
/// [`Outcome::Differs`](crate::Outcome); the others are copied.
///
/// With the feature `metrics` two counters tell how far it is:
/// `repository_migration_copied_blobs_total` and
/// `repository_migration_copied_blob_bytes_total`.
///
/// # Errors
/// Those of `migrate`. Before anything is written: `ConfigInvalid` for one store as both
/// sides, for collections without `blobs`, for a record whose store is not given, and with a
/// clean-up of the source; `NotFound` where the source has no collection `blobs`;
/// `LimitExceeded` when the disk has no room for them.
pub async fn migrate_with_blobs(
    source: &Arc<dyn StorageStrategy>,
    target: &Arc<dyn StorageStrategy>,
    (schemas, options): (&Schemas, &MigrationOptions),
    blobs: &BlobMove,
    progress: &dyn Progress,
) -> Result<MigrationReport> {
    refuse(options)?;
    blobs.refuse_same(!options.dry_run).await?;
    let sides = (StoreReference::source(source), StoreReference::target(target));
    let along = (None, Some(blobs));
    Box::pin(migrate::run(Purpose::Migrate, sides, along, (schemas, options), progress)).await
}

fn refuse(options: &MigrationOptions) -> Result<()> {
    let error = |message: &str| Error::new(ErrorKind::ConfigInvalid, "migrate", message);
    let blobs = collection()?;
    if options.collections.as_ref().is_some_and(|names| !names.contains(&blobs)) {
        let message = "blobs go along, and the collection of their records does not";
        return Err(error(message)
            .with("collection", COLLECTION)
            .hint("name the collection blobs as well, or leave the blobs behind"));
    }
    if options.clean_up {
        let message = "a source is not emptied of blobs: their bytes would stay without records";
        return Err(error(message).hint(
            "migrate without emptying the source; when the target is in use, remove the blob \
             store of the source as a whole",
        ));
    }
    Ok(())
}

fn report_of(census: Census) -> BlobsReport {
    let Census { needed, pending, deleting, problems } = census;
    BlobsReport { needed, pending, deleting, problems, ..BlobsReport::default() }
}

impl MigrationRun<'_> {
    /// What is to be copied, and whether it can be.
    pub(crate) async fn plan_blobs(&mut self, done: &mut RunReport) -> Result<()> {
        let Some(moved) = self.blobs else { return self.say_left_behind().await };
        let since = self.phase(Phase::BlobCheck, None);
        let pace = Pace::new(moved.workers, self.progress);
        let source = &self.plan.source;
        let mut report = match &moved.archive {
            Some(_) => report_of(census::take(source, &[&moved.to]).await?),
            None => {
                let census = census::take(source, &[&moved.from, &moved.to]).await?;
                let depth = BlobDepth::Size;
                let found = inspect(source, &moved.from, depth, &pace, self.progress).await?;
                let (unrecorded, problems) = (found.unrecorded, found.problems);
                BlobsReport { unrecorded, problems, ..report_of(census) }
            }
        };
        let mut copy = BlobCopy::new(moved, &pace, self.progress, true)?;
        self.go_through(&mut copy).await?;
        for (place, lacks) in moved.to.iter().zip(&copy.done.lacking) {
            room::check(&place.store, lacks.blobs, lacks.bytes).await?;
        }
        (report.copied, report.there) = (copy.done.copied, copy.done.there);
        if self.options.dry_run {
            report.problems.merge(copy.done.problems);
        }
        self.took(Phase::BlobCheck, since);
        self.say(&report);
        done.blobs = Some(Box::new(report));
        Ok(())
    }

    async fn go_through(&self, copy: &mut BlobCopy<'_>) -> Result<()> {
        match self.blobs.and_then(|moved| moved.archive.as_ref()) {
            Some(archive) => copy.of_archive(archive).await,
            None => copy.of_records(&self.plan.source, &mut async |_| Ok(())).await,
        }
    }

    fn say(&mut self, report: &BlobsReport) {
        if report.pending > 0 {
            self.warn(format!(
                "{} uploads had not ended: their bytes are not copied, and who uploads has to \
                 begin again in the target",
                report.pending
            ));
        }
        if report.unrecorded.count > 0 {
            self.warn(format!(
                "{} blobs of the source have no record, and are not copied",
                report.unrecorded.count
            ));
        }
    }

    /// Copies them; `None` when the run is to end before that is done.
    pub(crate) async fn copy_blobs(&mut self, done: &mut RunReport) -> Result<Option<()>> {
        let (Some(moved), Some(report)) = (self.blobs, &mut done.blobs) else {
            return Ok(Some(()));
        };
        let since = self.phase(Phase::Blobs, Some(report.needed.blobs));
        let pace = Pace::new(moved.workers, self.progress);
        let mut copy = BlobCopy::new(moved, &pace, self.progress, false)?;
        let went = tokio::select! {
            biased;
            () = self.progress.stopped() => Ok(None),
            went = self.go_through(&mut copy) => went.map(Some),
        };
        (report.copied, report.there) = (copy.done.copied, copy.done.there);
        report.problems.merge(copy.done.problems);
        self.took(Phase::Blobs, since);
        went
    }

    /// Compares those of the target with its records.
    pub(crate) async fn verify_blobs(&mut self, done: &mut RunReport) -> Result<()> {
        let (Some(moved), Some(report)) = (self.blobs, &mut done.blobs) else { return Ok(()) };
        let Some(depth) = moved.depth else { return Ok(()) };
        let since = self.phase(Phase::BlobCheck, None);
        let pace = Pace::new(moved.workers, self.progress);
        let target = &self.plan.target;
        report.verification = Some(inspect(target, &moved.to, depth, &pace, self.progress).await?);
        self.took(Phase::BlobCheck, since);
        Ok(())
    }
}
