//! `repoctl migrate`, which is also `migrateRepository`: the main job.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use cli_archives::MoveArgs;
use cli_output::blob_report;
use cli_output::events::Event;
use cli_output::exit_code::{Ending, Signal};
use cli_output::failure::Outcome;
use cli_output::output::Format;
use cli_output::progress::Shown;
use cli_output::report;
use cli_output::resume_command;
use cli_output::signals::Interruption;
use repo_core::Result;

use super::{
    backup::compression_level, import::batch_size, migrate_clean_up, migrate_status,
    verify::collections,
};
use crate::cli::configuration::migration;
use crate::cli::context::{Access, Context};
use crate::cli::sides::{OpenSides, SideArgs, Sides};
use repo_migrate::{
    self, CompressionLevel, MigrationConfig, MigrationOptions, MigrationReport, OnConflict, Phase,
    Progress as _, Verified, unfinished_clean_up,
};

/// What can be typed after `migrate`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    inspect: Option<Inspect>,
    #[command(flatten)]
    sides: SideArgs,
    /// Only these collections, separated by commas [default: all of the source]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    collections: Option<Vec<String>>,
    /// Records in one batch [default: `migration.batch_size`, or 250]
    #[arg(long, value_name = "N", value_parser = batch_size)]
    batch_size: Option<NonZeroUsize>,
    /// The folder for backups, or s3://BUCKET/PREFIX [default: `migration.backup_location`, or backups]
    #[arg(long, value_name = "PLACE", conflicts_with = "no_backup")]
    backup_location: Option<PathBuf>,
    /// Make no backup before the first write
    #[arg(long)]
    no_backup: bool,
    /// How hard backups are compressed, from 1 (fast) to 19 (small) [default: 1]
    #[arg(long, value_name = "N", value_parser = compression_level)]
    #[arg(conflicts_with = "no_backup")]
    compression_level: Option<CompressionLevel>,
    /// Do not compare both sides after the last write
    #[arg(long)]
    no_verify: bool,
    /// Do all checks, write nothing, and say what a run would do
    #[arg(long)]
    dry_run: bool,
    /// What to do when the target holds records that differ
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    on_conflict: Conflict,
    /// Batches that are written at a time [default: `migration.parallel_workers`,
    /// or 4]
    #[arg(long, value_name = "N", value_parser = positive)]
    parallel_workers: Option<NonZeroUsize>,
    /// Copy no more than this many entities a second
    #[arg(long, value_name = "N", value_parser = positive)]
    rate_limit: Option<NonZeroUsize>,
    /// Write entities that the target cannot hold or the source cannot read to
    /// this file, each with the reason, and copy the others
    #[arg(long, value_name = "FILE")]
    quarantine: Option<PathBuf>,
    /// Resume an unfinished run of the same migration where it stopped; so
    /// it is without the flag
    #[arg(long, conflicts_with = "restart")]
    resume: bool,
    /// Drop an unfinished run that is found on the target, and begin again
    #[arg(long)]
    restart: bool,
    /// Once both sides are verified, delete from the source what the target
    /// holds, each entity at the version that was verified
    #[arg(long, conflicts_with_all = ["no_verify", "no_backup"])]
    cleanup_source: bool,
    /// Leave older versions and tags behind, and copy the records alone
    #[arg(long)]
    without_history: bool,
    #[command(flatten)]
    blobs: MoveArgs,
}

/// Reads a number of 1 or more.
pub(super) fn positive(text: &str) -> std::result::Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "a whole number of 1 or more".to_owned())
}

/// Looking at a migration instead of doing one.
#[derive(Debug, Subcommand)]
enum Inspect {
    /// Say what a target knows of a migration into it that has not finished
    Status(migrate_status::Arguments),
}

/// `--on-conflict`.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Conflict {
    /// Refuse before anything is written, and name them
    #[default]
    Fail,
    /// Keep the record with the higher version
    Newer,
    /// Write the source's document, at a version above the target's
    Overwrite,
}

impl From<Conflict> for OnConflict {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::Fail => Self::Fail,
            Conflict::Newer => Self::Newer,
            Conflict::Overwrite => Self::Overwrite,
        }
    }
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        if let Some(Inspect::Status(arguments)) = &self.inspect {
            return arguments.run(context).await;
        }
        let sides = self.sides.choose(context, "migrate")?;
        let configured = migration(&sides.config)?;
        let options = self.options(&configured)?;
        let blobs = self.blobs.filled(|| sides.source.blobs(), || sides.target.blobs())?;
        // A clean-up opens the whole source for writing: what would stop it
        // then is to be found now.
        let only = options.collections.as_deref().filter(|_| !self.cleanup_source);
        let sides = sides.source_only(only);
        if self.cleanup_source {
            migrate_clean_up::check(&options)?;
        } else {
            migrate_clean_up::explain_setting(context, &configured);
        }
        let interruption = Interruption::listen()?;
        let progress = Shown::new(context.output).ended_by(&interruption).with_events();
        let (mut report, verified) = self.migrate(&sides, (&options, &blobs), &progress).await?;
        if self.cleanup_source
            && let Some(verified) = verified
        {
            migrate_clean_up::run(&sides, &verified, &options, &progress, &mut report).await?;
        }
        finish(context, &report, &interruption)
    }

    /// Does the main job, unless only the clean-up after it is left to do.
    /// Gives what may then be removed from the source.
    async fn migrate(
        &self,
        sides: &Sides,
        (options, blobs): (&MigrationOptions, &MoveArgs),
        progress: &Shown,
    ) -> Outcome<(MigrationReport, Option<Verified>)> {
        let open = self.open(sides).await?;
        let ended: Outcome<_> = async {
            if self.cleanup_source {
                migrate_clean_up::check_source(&open.source)?;
            }
            if self.cleanup_source
                && !self.dry_run
                && let Some(verified) = unfinished_clean_up(&open.source, &open.target).await?
            {
                let report = MigrationReport::before_clean_up(&verified);
                report.warnings.iter().for_each(|text| progress.warning(text));
                return Ok((report, Some(verified)));
            }
            let (source, target) = (&open.source, &open.target);
            let how = (&*sides.schemas, options);
            let report = blobs.migrate((source, target), how, progress).await?;
            let verified = report.verified();
            Ok((report, verified))
        }
        .await;
        progress.finish();
        let closed = open.close().await;
        let (mut report, verified) = ended?;
        report.warnings.extend(progress.closed(closed));
        Ok((report, verified))
    }

    fn options(&self, config: &MigrationConfig) -> Result<MigrationOptions> {
        let backup = (config.create_backup || self.backup_location.is_some()) && !self.no_backup;
        let location = self.backup_location.clone();
        Ok(MigrationOptions {
            collections: collections(self.collections.as_deref())?,
            batch_size: self.batch_size.unwrap_or(config.batch_size),
            backup: backup.then(|| location.unwrap_or_else(|| config.backup_location.clone())),
            compression: self.compression_level.unwrap_or_default(),
            verify: config.validate_after_migration && !self.no_verify,
            dry_run: self.dry_run,
            clean_up: self.cleanup_source,
            on_conflict: self.on_conflict.into(),
            restart: self.restart,
            workers: self.parallel_workers.unwrap_or(config.parallel_workers),
            rate_limit: self.rate_limit,
            quarantine: self.quarantine.clone(),
            without_history: self.without_history,
            ..MigrationOptions::default()
        })
    }

    async fn open(&self, sides: &Sides) -> Result<OpenSides> {
        let source = match self.quarantine {
            Some(_) => Access::ReadWhatCan,
            None => Access::ReadToName,
        };
        sides
            .open_from("migrate", source, async |target, schemas| {
                if self.dry_run {
                    target.open_as_target(schemas).await
                } else {
                    target.open(Access::Write, schemas).await
                }
            })
            .await
    }
}

/// Prints the report of a run and says how it ended.
pub(super) fn finish(
    context: &Context,
    done: &MigrationReport,
    interruption: &Interruption,
) -> Outcome<Ending> {
    if done.outcome == repo_migrate::Outcome::Interrupted {
        let signal = interruption.signal().unwrap_or(Signal::Interrupt);
        return interrupted(context, done, signal);
    }
    if context.output.format == Format::Ndjson {
        context.output.line(&Event::Report(done))?;
    } else {
        context.output.result(done, || report::migration(done))?;
    }
    Ok(match done.outcome {
        repo_migrate::Outcome::Verified
        | repo_migrate::Outcome::DoneUnverified
        | repo_migrate::Outcome::DryRun => Ending::Done,
        repo_migrate::Outcome::Partly | repo_migrate::Outcome::DryRunPartly => Ending::Partly,
        repo_migrate::Outcome::Differs
        | repo_migrate::Outcome::DryRunDiffers
        | repo_migrate::Outcome::Interrupted => Ending::Differ,
    })
}

fn interrupted(context: &Context, report: &MigrationReport, signal: Signal) -> Outcome<Ending> {
    let copied: u64 = report.collections.iter().map(|one| one.counts.read).sum();
    let what = if let Some(clean_up) = &report.clean_up {
        let deleted: u64 = clean_up.collections.iter().map(|one| one.deleted).sum();
        format!("the target holds everything; {deleted} entities are deleted from the source")
    } else if let Some(words) = blob_report::copied(report) {
        format!("{words}; {copied} records are copied and stay")
    } else if report.phases.iter().any(|time| time.phase == Phase::Copy) {
        format!("{copied} records are copied and stay")
    } else {
        "nothing was written".to_owned()
    };
    let resume_command = resume_command::interrupted(&what);
    if context.output.format != Format::Human {
        let (resume_command, exit_code) = (resume_command.as_str(), signal.code());
        context.output.line(&Event::Interrupted { report, resume_command, exit_code })?;
    }
    Ok(Ending::Interrupted(signal))
}
