//! `repoctl count`: how many entities match.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Outcome, usage};
use repo_core::{Consistency, Filter};
use serde_json::json;

use crate::cli::context::{Access, Context, collection};

/// What can be typed after `count`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// Which entities, as JSON: '{"status": "RUNNING"}'
    #[arg(long, value_name = "JSON", default_value = "{}")]
    filter: String,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let filter = Filter::parse(&self.filter).map_err(usage)?;
        let opened = context.open_only(Access::Read, Some(std::slice::from_ref(&name))).await?;
        let work = async {
            let count = opened.store.count(&name, &filter, Consistency::Strong).await?;
            let answer = json!({ "collection": name, "count": count });
            context.output.result(&answer, || count.to_string())?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}
