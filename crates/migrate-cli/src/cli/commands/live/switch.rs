//! `repoctl live switch` and `repoctl live back`.

use std::time::Duration;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::live_report;
use repo_migrate::live::{self, SwitchOptions};

use super::place::{Places, stores};
use crate::cli::context::Context;
use crate::cli::sides::SideArgs;

/// What can be typed after `live switch` and `live back`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sides: SideArgs,
    /// Cancel when programs would have to wait longer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=7))]
    max_pause: u64,
    /// Only report whether it could be done
    #[arg(long)]
    dry_run: bool,
}

/// In which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    There,
    Back,
}

impl Arguments {
    pub(super) async fn run(&self, context: &Context, way: Way) -> Outcome<Ending> {
        let operation = if way == Way::There { "live switch" } else { "live back" };
        let places = Places::choose(&self.sides, context, operation)?;
        let both = places.both();
        let options = SwitchOptions::default()
            .with_max_pause(Duration::from_secs(self.max_pause))
            .with_dry_run(self.dry_run);
        let report = match way {
            Way::There => live::switch(stores(&both), options).await?,
            Way::Back => live::back(stores(&both), options).await?,
        };
        context.output.result(&report, || live_report::switched(&report))?;
        Ok(Ending::Done)
    }
}
