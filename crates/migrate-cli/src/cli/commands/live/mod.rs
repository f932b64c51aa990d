//! `repoctl live`: a store moves while programs write to it.

mod end;
mod place;
mod start;
mod status;
mod switch;
mod verify;

use clap::Subcommand;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;

use crate::cli::context::Context;
use crate::cli::sides::SideArgs;

/// What can be typed after `live`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Begin or resume: copy the source, and carry over what programs write
    Start(start::Arguments),
    /// Report where the move stands, and what to do next
    Status(status::Arguments),
    /// Compare both stores while programs write
    Verify(SideArgs),
    /// Make the target the store that programs write to
    Switch(switch::Arguments),
    /// Make the source that store again
    Back(switch::Arguments),
    /// Give the move up: the source stays what it is
    Abort(SideArgs),
    /// End the move: the source takes no writes any more, and names the target
    Finish(end::FinishArguments),
}

impl Command {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        match self {
            Self::Start(arguments) => arguments.run(context).await,
            Self::Status(arguments) => arguments.run(context).await,
            Self::Verify(sides) => verify::run(sides, context).await,
            Self::Switch(arguments) => arguments.run(context, switch::Way::There).await,
            Self::Back(arguments) => arguments.run(context, switch::Way::Back).await,
            Self::Abort(sides) => end::abort(sides, context).await,
            Self::Finish(arguments) => arguments.run(context).await,
        }
    }
}
