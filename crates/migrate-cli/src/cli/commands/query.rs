//! `repoctl query`: entities that match a filter.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_records::query;

use crate::cli::context::{Access, Context, collection};
use crate::cli::typed;

/// What can be typed after `query`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    #[command(flatten)]
    asked: query::Arguments,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let as_of = self.asked.as_of().map(typed::time).transpose()?;
        let asked = self.asked.question(&name, as_of)?;
        let opened = context.open_only(Access::Read, Some(std::slice::from_ref(&name))).await?;
        let schema = opened.schema(&name);
        let work = query::run(context.output, &opened.store, &schema, &asked);
        opened.close_after(work).await
    }
}
