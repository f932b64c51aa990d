//! `repoctl live status`.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::live_report;
use repo_migrate::live::{self, LiveStatus};
use serde::Serialize;

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

/// The status, and what to type next.
#[derive(Debug, Serialize)]
struct Reported<'a> {
    #[serde(flatten)]
    status: &'a LiveStatus,
    next: &'static str,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let places = Places::choose(&self.sides, context, "live status")?;
        let both = places.both();
        loop {
            let status = live::status(stores(&both)).await?;
            let next = live_report::next_step(status.phase, status.differences);
            let report = Reported { status: &status, next };
            context.output.result(&report, || live_report::status(&status, next))?;
            if !self.watch {
                return Ok(Ending::Done);
            }
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        }
    }
}
