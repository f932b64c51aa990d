//! `repoctl history`: of which collections older versions are kept.

mod list;
mod prune;
mod retention;
mod switch;

use clap::Subcommand;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;

use crate::cli::context::Context;

/// What can be typed after `history`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keep what is replaced in a collection from now on
    On(switch::On),
    /// Keep nothing any more, and remove what was kept
    Off(switch::Off),
    /// Remove versions that retention does not keep
    Prune(prune::Arguments),
    /// List the collections whose history is kept
    List,
}

impl Command {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        match self {
            Self::On(arguments) => arguments.run(context).await,
            Self::Off(arguments) => arguments.run(context).await,
            Self::Prune(arguments) => arguments.run(context).await,
            Self::List => list::run(context).await,
        }
    }
}
