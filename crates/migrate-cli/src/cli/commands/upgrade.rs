//! `repoctl upgrade`: the documents of a collection to another schema version,
//! where they are.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use repo_core::Error;
use serde::Serialize;

use super::backup::compression_level;
use super::import::batch_size;
use crate::cli::configuration::migration;
use crate::cli::context::{Access, Context, collection};
use crate::cli::exit_code::{Ending, Signal};
use crate::cli::failure::{Outcome, wrong_usage};
use crate::cli::output::{Format, cell, complain};
use crate::cli::progress::Shown;
use crate::cli::redact::redact;
use crate::cli::report::way;
use crate::cli::resume_command;
use crate::cli::signals::Interruption;
use repo_migrate::{
    CompressionLevel, Listed, MigrationOptions, UpgradeOptions, UpgradeOutcome, UpgradeReport,
    upgrade,
};

/// Most names that are shown to people; JSON has more.
const SHOWN: usize = 20;

/// What can be typed after `upgrade`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// The schema version that its documents are to have [default: the
    /// declared one]
    #[arg(long, value_name = "V")]
    to: Option<u32>,
    /// The folder for backups [default: `migration.backup_location`, or backups]
    #[arg(long, value_name = "DIR")]
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
        let command = redact(&resume_command::command());
        let done = report.counts.upgraded;
        complain(&format!("interrupted: {done} entities are upgraded; to resume:\n  {command}\n"));
        if context.output.format != Format::Human {
            context.output.line(&UpgradeOutput { report, resume_command: Some(&command) })?;
        }
        return Ok(Ending::Interrupted(signal));
    }
    context.output.result(&UpgradeOutput { report, resume_command: None }, || human(report))?;
    Ok(match report.outcome {
        UpgradeOutcome::Partly => Ending::Partly,
        _ => Ending::Done,
    })
}

fn human(report: &UpgradeReport) -> String {
    let name = &report.collection;
    let (way, to) = (way(&report.versions), report.versions.last().copied().unwrap_or_default());
    let upgraded = report.counts.upgraded;
    let mut text = match report.outcome {
        UpgradeOutcome::Current => return format!("{name} is at schema version {to} already\n"),
        UpgradeOutcome::DryRun => format!(
            "{name}: {way}: {upgraded} entities can be upgraded; dry run: \
             nothing was written\n"
        ),
        _ => format!("{name}: {way}: {upgraded} entities are upgraded\n"),
    };
    if let Some(done) = report.resumed_after {
        let _ = writeln!(text, "resumed after {done} records");
    }
    if report.counts.gone > 0 {
        let _ = writeln!(text, "{} were deleted meanwhile", report.counts.gone);
    }
    listed(&mut text, "left as they are", &report.left);
    listed(&mut text, "created meanwhile, and left as they are", &report.created);
    if let Some(folder) = &report.backup {
        let _ = writeln!(text, "backup        {}", folder.display());
    }
    text
}

fn listed(text: &mut String, what: &str, listed: &Listed) {
    if listed.count > 0 {
        let shown: Vec<String> = listed.first.iter().take(SHOWN).map(|one| cell(one)).collect();
        let _ = writeln!(text, "{} {what}: {}", listed.count, shown.join(", "));
    }
}
