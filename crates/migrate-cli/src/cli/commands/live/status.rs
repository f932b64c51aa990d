//! `repoctl live status`.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::live_report;
use repo_migrate::live;

use super::place::{Places, stores};
use crate::cli::context::Context;
use crate::cli::sides::SideArgs;

/// What can be typed after `live status`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sides: SideArgs,
    /// Report again every two seconds, until it is interrupted
    #[arg(long)]
    watch: bool,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let places = Places::choose(&self.sides, context, "live status")?;
        let both = places.both();
        loop {
            let status = live::status(stores(&both)).await?;
            let report = live_report::Reported::new(&status);
            context.output.result(&report, || live_report::status(&report))?;
            if !self.watch {
                return Ok(Ending::Done);
            }
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        }
    }
}
