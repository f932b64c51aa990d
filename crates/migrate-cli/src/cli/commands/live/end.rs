//! `repoctl live abort` and `repoctl live finish`.

use std::path::PathBuf;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::live_report;
use cli_output::progress::Shown;
use cli_output::signals::Interruption;
use repo_migrate::{BackupOptions, CleanUpOptions, live};
use serde_json::json;

use super::place::{Places, stores};
use crate::cli::configuration::migration;
use crate::cli::context::Context;
use crate::cli::sides::SideArgs;

/// What can be typed after `live finish`.
#[derive(Debug, Args)]
pub(crate) struct FinishArguments {
    #[command(flatten)]
    sides: SideArgs,
    /// Also make an archive of the source, and delete from it what the target holds
    #[arg(long)]
    cleanup_source: bool,
    /// The folder for that archive [default: `migration.backup_location`, or backups]
    #[arg(long, value_name = "DIR", requires = "cleanup_source")]
    backup_location: Option<PathBuf>,
}

/// `live abort`.
pub(super) async fn abort(sides: &SideArgs, context: &Context) -> Outcome<Ending> {
    let places = Places::choose(sides, context, "live abort")?;
    let report = live::abort(stores(&places.both())).await?;
    context.output.result(&report, || live_report::aborted(&report))?;
    Ok(if report.target_released { Ending::Done } else { Ending::Partly })
}

impl FinishArguments {
    pub(super) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let places = Places::choose(&self.sides, context, "live finish")?;
        let both = places.both();
        if self.cleanup_source {
            return self.clean_up(context, &places).await;
        }
        live::finish(stores(&both)).await?;
        let words = "finished; the source takes no writes any more";
        context.output.result(&json!({ "ended": true }), || words.to_owned())?;
        Ok(Ending::Done)
    }

    async fn clean_up(&self, context: &Context, places: &Places) -> Outcome<Ending> {
        let config = migration(&places.sides.config)?;
        let folder = self.backup_location.clone().unwrap_or(config.backup_location);
        let backup = BackupOptions::whole(folder, config.batch_size);
        let options = CleanUpOptions::new(config.batch_size, config.parallel_workers);
        let interruption = Interruption::listen()?;
        let progress = Shown::new(context.output).ended_by(&interruption);
        let (both, schemas) = (places.both(), places.schemas());
        let done =
            live::finish_and_clean_up(stores(&both), schemas, &backup, &options, &progress).await;
        progress.finish();
        let done = done?;
        context.output.result(&done, || live_report::cleaned_up(&done))?;
        let signal = interruption.signal().filter(|_| done.interrupted);
        let ending = if done.is_complete() { Ending::Done } else { Ending::Partly };
        Ok(signal.map_or(ending, Ending::Interrupted))
    }
}
