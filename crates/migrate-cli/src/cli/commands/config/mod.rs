//! `repoctl config`: what the configuration says and where each value comes
//! from.

mod show;
mod validate;

use clap::Subcommand;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use repo_engine::config::config_schema;

use crate::cli::configuration::sections;
use crate::cli::context::Context;

/// What can be typed after `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print every value and where it comes from; secrets are hidden
    Show,
    /// Check the whole configuration, also of the strategies not in use
    Validate,
    /// Print the JSON Schema of the configuration
    Schema,
}

impl Command {
    pub(crate) fn run(&self, context: &Context) -> Outcome<Ending> {
        match self {
            Self::Show => show::run(context),
            Self::Validate => validate::run(context),
            Self::Schema => {
                context
                    .output
                    .text(&format!("{:#}", config_schema(&context.registry, &sections())))?;
                Ok(Ending::Done)
            }
        }
    }
}
