//! `repoctl backups`: the archives in a folder.

mod list;
mod prune;
mod verify;

use clap::Subcommand;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;

use crate::cli::context::Context;

/// What can be typed after `backups`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the archives, what is damaged, and what killed runs left
    List(list::Arguments),
    /// Read archives in full and check every digest
    Verify(verify::Arguments),
    /// Remove all but the newest sound archives, and what killed runs left
    Prune(prune::Arguments),
}

impl Command {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        match self {
            Self::List(arguments) => arguments.run(context).await,
            Self::Verify(arguments) => arguments.run(context).await,
            Self::Prune(arguments) => arguments.run(context).await,
        }
    }
}
