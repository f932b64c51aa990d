//! `migrate --cleanup-source`: the source is opened for writing only after
//! both sides were compared, and only for this.

use std::sync::Arc;

use cli_output::failure::{Outcome, wrong_usage};
use cli_output::progress::Shown;
use repo_core::strategy::StorageStrategy;
use repo_core::{Error, ErrorKind, Result};

use crate::cli::context::Context;
use crate::cli::sides::Sides;
use repo_migrate::{
    CleanUpOptions, MigrationConfig, MigrationOptions, MigrationReport, Verified, clean_up,
};

/// Refuses a clean-up that could never begin.
///
/// # Errors
/// `ConfigInvalid` when nothing would be verified, or no archive made.
pub(super) fn check(options: &MigrationOptions) -> Result<()> {
    if options.backup.is_none() {
        return Err(wrong_usage(
            "migrate",
            "only what is in an archive is removed from the source",
        )
        .hint("set migration.create_backup to true, or leave --cleanup-source out"));
    }
    if options.verify {
        return Ok(());
    }
    Err(wrong_usage("migrate", "only what was verified is removed from the source")
        .hint("set migration.validate_after_migration to true, or leave --cleanup-source out"))
}

/// Refuses a source that is never written to, before anything is copied.
///
/// # Errors
/// `Unsupported` for tables of another program.
pub(super) fn check_source(source: &Arc<dyn StorageStrategy>) -> Result<()> {
    let Some(words) = source.foreign() else { return Ok(()) };
    Err(Error::new(ErrorKind::Unsupported, "migrate", "this source is never cleaned up")
        .with("side", "source")
        .with("store", source.location())
        .with("it_is", words)
        .hint("leave --cleanup-source out; remove the tables with the program that made them"))
}

/// Says that the configuration alone removes nothing.
pub(super) fn explain_setting(context: &Context, config: &MigrationConfig) {
    if config.cleanup_source {
        context.output.warning(
            "migration.cleanup_source is set; the source is cleaned up only with \
             --cleanup-source on the command line",
        );
    }
}

/// Cleans the source up after a run that has verified it, and adds that to the
/// report.
pub(super) async fn run(
    sides: &Sides,
    verified: &Verified,
    options: &MigrationOptions,
    progress: &Shown,
    report: &mut MigrationReport,
) -> Outcome<()> {
    let options = CleanUpOptions {
        batch_size: options.batch_size,
        workers: options.workers,
        rate_limit: options.rate_limit,
        patience: options.patience,
        upgrades: Some(Arc::clone(&sides.schemas)),
    };
    let open = sides.open_to_clean_up().await.map_err(after_verification)?;
    let cleaned = clean_up(&open.source, &open.target, verified, &options, progress).await;
    progress.finish();
    let closed = open.close().await;
    let cleaned = cleaned.map_err(after_verification)?;
    report.warnings.extend(progress.closed(closed));
    report.add_clean_up(cleaned);
    Ok(())
}

/// The main job is done: an error of the clean-up says so.
fn after_verification(error: Error) -> Error {
    let done = "the target holds everything, verified";
    let error = error.with("migration", done);
    if error.hint_text().is_some() || error.kind() == ErrorKind::ConfigInvalid {
        return error;
    }
    error.hint("the same command resumes the clean-up of the source")
}
