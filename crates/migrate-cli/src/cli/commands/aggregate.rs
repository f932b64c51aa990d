//! `repoctl aggregate`: groups of entities, and what is computed of each.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_records::aggregate;

use crate::cli::context::{Access, Context, collection};

/// What can be typed after `aggregate`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    #[command(flatten)]
    asked: aggregate::Arguments,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let asked = self.asked.aggregation()?;
        let opened = context.open_only(Access::Read, Some(std::slice::from_ref(&name))).await?;
        let work = aggregate::run(context.output, &*opened.store, &name, &asked);
        opened.close_after(work).await
    }
}
