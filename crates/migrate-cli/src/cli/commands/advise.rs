//! `repoctl advise`: what would serve the queries that were recorded.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_records::advise;

use crate::cli::context::{Context, collection};

/// What can be typed after `advise`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection [default: all]
    collection: Option<String>,
    #[command(flatten)]
    asked: advise::Arguments,
}

impl Arguments {
    pub(crate) fn run(&self, context: &Context) -> Outcome<Ending> {
        let only = self.collection.as_deref().map(collection).transpose()?;
        let schemas = context.schemas_without_store()?;
        self.asked.run(context.output, &schemas, only.as_ref())
    }
}
