//! `repoctl restore`: an archive back into a store, of any strategy.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use cli_archives::RestoreArgs;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::progress::Shown;
use cli_output::signals::Interruption;

use super::migrate::{finish, positive};
use super::{import::batch_size, verify::collections};
use crate::cli::configuration::migration;
use crate::cli::context::{Access, Context};
use repo_migrate::{Archive, RestoreOptions, archived_schemas};

/// What can be typed after `restore`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder of the archive, which holds manifest.json, or s3://BUCKET/PREFIX/NAME
    archive: PathBuf,
    /// Only these collections, separated by commas [default: all of the archive]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    collections: Option<Vec<String>>,
    /// Records in one batch [default: `migration.batch_size`, or 250]
    #[arg(long, value_name = "N", value_parser = batch_size)]
    batch_size: Option<NonZeroUsize>,
    /// Do not compare archive and store after the last write
    #[arg(long)]
    no_verify: bool,
    /// Do all checks, write nothing, and say what a run would do
    #[arg(long)]
    dry_run: bool,
    /// Batches that are written at a time [default: `migration.parallel_workers`,
    /// or 4]
    #[arg(long, value_name = "N", value_parser = positive)]
    parallel_workers: Option<NonZeroUsize>,
    /// Write no more than this many entities a second
    #[arg(long, value_name = "N", value_parser = positive)]
    rate_limit: Option<NonZeroUsize>,
    /// Drop an unfinished migration or restore that is found on the target
    #[arg(long)]
    restart: bool,
    /// Leave older versions and tags in the archive, and bring back the records alone
    #[arg(long)]
    without_history: bool,
    #[command(flatten)]
    blobs: RestoreArgs,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let (chosen, config) = context.choose()?;
        let migration = migration(&config)?;
        let blobs = self.blobs.filled(|| context.blobs(&config))?;
        let archive = Archive::open(&self.archive).await?;
        let options = RestoreOptions {
            collections: collections(self.collections.as_deref())?,
            batch_size: self.batch_size.unwrap_or(migration.batch_size),
            verify: migration.validate_after_migration && !self.no_verify,
            dry_run: self.dry_run,
            restart: self.restart,
            workers: self.parallel_workers.unwrap_or(migration.parallel_workers),
            rate_limit: self.rate_limit,
            without_history: self.without_history,
            ..RestoreOptions::default()
        };
        let declared = context.schemas(&config)?;
        let schemas = Arc::new(archived_schemas(&archive, &declared)?);
        let interruption = Interruption::listen()?;
        let store = if self.dry_run {
            chosen.open_as_target(&config, &schemas).await?
        } else {
            chosen.open(Access::Write, &config, &schemas).await?
        };
        let progress = Shown::new(context.output).ended_by(&interruption).with_events();
        let how = (&*schemas, &options);
        let ended = blobs.restore(&archive, &store, how, &progress).await;
        progress.finish();
        let closed = store.close().await;
        let mut report = ended?;
        report.warnings.extend(progress.closed(closed));
        finish(context, &report, &interruption)
    }
}
