//! `repoctl live start`.

use std::num::NonZeroUsize;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::live_report;
use cli_output::progress::Shown;
use cli_output::signals::Interruption;
use repo_migrate::live::{self, LiveOptions};

use super::place::{Places, stores};
use crate::cli::context::Context;
use crate::cli::sides::SideArgs;

/// What can be typed after `live start`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sides: SideArgs,
    /// Copy at most so many records a second [default: no limit]
    #[arg(long, value_name = "RECORDS")]
    rate: Option<NonZeroUsize>,
    /// Read and write so many records together [default: 500]
    #[arg(long, value_name = "RECORDS")]
    batch_size: Option<NonZeroUsize>,
    /// Go slower while the store that programs use takes FACTOR times as long to answer as in
    /// the beginning; above 1, `0` for never
    #[arg(long, value_name = "FACTOR", default_value = "2", value_parser = live_report::factor)]
    max_load: f64,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let places = Places::choose(&self.sides, context, "live start")?;
        let interruption = Interruption::listen()?;
        let progress = Shown::new(context.output).ended_by(&interruption).with_events();
        let mut options = LiveOptions::default();
        options.rate_limit = self.rate;
        options.max_load = (self.max_load > 0.0).then_some(self.max_load);
        options.batch_size = self.batch_size.unwrap_or(options.batch_size);
        let both = places.both();
        let ended = live::start(stores(&both), places.schemas(), &options, &progress).await;
        progress.finish();
        ended?;
        Ok(Ending::Done)
    }
}
