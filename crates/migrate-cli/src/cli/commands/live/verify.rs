//! `repoctl live verify`.

use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::live_report;
use cli_output::progress::Shown;
use cli_output::signals::Interruption;
use repo_migrate::live::{self, LiveOptions};

use super::place::{Places, stores};
use crate::cli::context::Context;
use crate::cli::sides::SideArgs;

pub(super) async fn run(sides: &SideArgs, context: &Context) -> Outcome<Ending> {
    let places = Places::choose(sides, context, "live verify")?;
    let interruption = Interruption::listen()?;
    let progress = Shown::new(context.output).ended_by(&interruption);
    let both = places.both();
    let found = live::verify(stores(&both), &LiveOptions::default(), &progress).await;
    progress.finish();
    let found = found?;
    context.output.result(&found, || live_report::verification(&found))?;
    Ok(if found.differences == 0 { Ending::Done } else { Ending::Differ })
}
