//! `repoctl schema`: the declared collections.

mod ddl;
mod presets;
mod show;
mod validate;

use clap::Subcommand;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;

use crate::cli::context::Context;

/// What can be typed after `schema`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the declared collections, or one of them in full
    Show(show::Arguments),
    /// Print what `init` makes in an empty store: SQL, or table definitions
    Ddl(ddl::Arguments),
    /// Check every stored document against its collection's schema, and every
    /// reference
    Validate(validate::Arguments),
    /// List the collections that come with the program for what others wrote
    Presets(presets::Arguments),
}

impl Command {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        match self {
            Self::Show(arguments) => arguments.run(context),
            Self::Ddl(arguments) => arguments.run(context),
            Self::Validate(arguments) => arguments.run(context).await,
            Self::Presets(arguments) => arguments.run(context),
        }
    }
}
