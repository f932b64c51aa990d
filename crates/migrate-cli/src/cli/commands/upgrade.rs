//! `repoctl upgrade`: the documents of a collection to another schema version,
//! where they are.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use cli_output::exit_code::{Ending, Signal};
use cli_output::failure::{Outcome, wrong_usage};
use cli_output::output::Format;
use cli_output::progress::Shown;
use cli_output::resume_command::interrupted;
use cli_output::signals::Interruption;
use cli_output::upgrade_report;
use repo_core::Error;
use serde::Serialize;

use super::backup::compression_level;
use super::import::batch_size;
use crate::cli::configuration::migration;
use crate::cli::context::{Access, Context, collection};
use repo_migrate::{
    CompressionLevel, MigrationOptions, UpgradeOptions, UpgradeOutcome, UpgradeReport, upgrade,
};

/// What can be typed after `upgrade`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// The schema version that its documents are to have [default: the
    /// declared one]
    #[arg(long, value_name = "V")]
    to: Option<u32>,
    /// The folder for backups, or s3://BUCKET/PREFIX [default: `migration.backup_location`, or backups]
    #[arg(long, value_name = "PLACE")]
    backup_location: Option<PathBuf>,
    /// Not possible: the archive shows which entities are upgraded already
    #[arg(long, hide = true)]
    no_backup: bool,
    /// How hard it is compressed, from 1 (fast) to 19 (small) [default: 1]
    #[arg(long, value_name = "N", value_parser = compression_level)]
    compression_level: Option<CompressionLevel>,
    /// Entities in one commit, at most [default: `migration.batch_size`, or 250]
    #[arg(long, value_name = "N", value_parser = batch_size)]
    batch_size: Option<NonZeroUsize>,
    /// Do all checks, write nothing, and say what a run would do
    #[arg(long)]
    dry_run: bool,
}

/// What a program reads.
#[derive(Debug, Serialize)]
struct UpgradeOutput<'a> {
    #[serde(flatten)]
    report: &'a UpgradeReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume_command: Option<&'a str>,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        if self.no_backup {
            return Err(without_archive().into());
        }
        let (chosen, config) = context.choose()?;
        let schemas = context.schemas(&config)?;
        let migration = migration(&config)?;
        let location = self.backup_location.clone();
        let options = UpgradeOptions {
            to: self.to.unwrap_or(schemas.get(&name).schema_version),
            collection: name,
            backup: location.unwrap_or_else(|| migration.backup_location.clone()),
            compression: self.compression_level.unwrap_or_default(),
            batch_size: self.batch_size.unwrap_or(migration.batch_size),
            dry_run: self.dry_run,
            patience: MigrationOptions::default().patience,
        };
        let interruption = Interruption::listen()?;
        // Without the validation layer: that knows the declared version only,
        // and a run checks what it writes itself.
        let access = if self.dry_run { Access::Read } else { Access::Write };
        let store = chosen.open(access, &config, &schemas).await?;
        let progress = Shown::new(context.output).ended_by(&interruption);
        let ended = upgrade(&store, &schemas, &options, &progress).await;
        progress.finish();
        let closed = store.close().await;
        let report = ended?;
        context.output.closed(closed);
        finish(context, &report, &interruption)
    }
}

fn without_archive() -> Error {
    let why = "--no-backup is not possible here: the archive is what shows which entities are \
               upgraded already when a run was killed";
    wrong_usage("upgrade", why)
        .hint("leave it out; once the upgrade is done the archive may be removed")
}

fn finish(
    context: &Context,
    report: &UpgradeReport,
    interruption: &Interruption,
) -> Outcome<Ending> {
    if report.outcome == UpgradeOutcome::Interrupted {
        let signal = interruption.signal().unwrap_or(Signal::Interrupt);
        let command = interrupted(&format!("{} entities are upgraded", report.counts.upgraded));
        if context.output.format != Format::Human {
            context.output.line(&UpgradeOutput { report, resume_command: Some(&command) })?;
        }
        return Ok(Ending::Interrupted(signal));
    }
    context.output.result(&UpgradeOutput { report, resume_command: None }, || {
        upgrade_report::in_words(report)
    })?;
    Ok(match report.outcome {
        UpgradeOutcome::Partly => Ending::Partly,
        _ => Ending::Done,
    })
}
