//! `repoctl live abort` and `repoctl live finish`.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::live_report;
use repo_migrate::live;
use serde_json::json;

use super::place::{Places, stores};
use crate::cli::context::Context;
use crate::cli::sides::SideArgs;

/// What can be typed after `live abort` and `live finish`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sides: SideArgs,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Abort,
    Finish,
}

impl Arguments {
    pub(super) async fn run(&self, context: &Context, end: End) -> Outcome<Ending> {
        let operation = if end == End::Abort { "live abort" } else { "live finish" };
        let places = Places::choose(&self.sides, context, operation)?;
        let both = places.both();
        if end == End::Abort {
            let report = live::abort(stores(&both)).await?;
            context.output.result(&report, || live_report::aborted(&report))?;
            return Ok(if report.target_released { Ending::Done } else { Ending::Partly });
        }
        live::finish(stores(&both)).await?;
        let words = "finished; the source takes no writes any more";
        context.output.result(&json!({ "ended": true }), || words.to_owned())?;
        Ok(Ending::Done)
    }
}
