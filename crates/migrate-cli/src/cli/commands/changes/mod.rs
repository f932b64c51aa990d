//! `repoctl changes`: the change feed and its consumers.

mod dead;
mod follow;
mod list;
mod opening;
mod subscribe;

use clap::Subcommand;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;

use crate::cli::context::Context;

/// What can be typed after `changes`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the consumers, how far they are, and who runs them
    List,
    /// Make a consumer: from now on changes are captured for it
    Subscribe(subscribe::Subscribe),
    /// Print the changes of a consumer as NDJSON, or give them to a program
    Follow(follow::Arguments),
    /// Look at the changes that a consumer could not work on
    #[command(subcommand)]
    Dead(dead::Command),
    /// Remove a consumer with its dead letters
    Unsubscribe(subscribe::Unsubscribe),
}

impl Command {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        match self {
            Self::List => list::run(context).await,
            Self::Subscribe(arguments) => arguments.run(context).await,
            Self::Follow(arguments) => arguments.run(context).await,
            Self::Dead(command) => command.run(context).await,
            Self::Unsubscribe(arguments) => arguments.run(context).await,
        }
    }
}
