//! `repoctl advise`: what would serve the queries that were recorded, and which stores can do
//! what is asked.

use std::sync::Arc;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_records::advise::{self, Asked, Candidate};
use repo_core::Result;

use crate::cli::context::{Context, collection};

/// What can be typed after `advise`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection whose indexes are proposed [default: all]
    #[arg(conflicts_with = "requirements")]
    collection: Option<String>,
    #[command(flatten)]
    asked: advise::Arguments,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        match self.asked.asked()? {
            Asked::Indexes(recorded) => {
                let only = self.collection.as_deref().map(collection).transpose()?;
                let schemas = context.schemas_without_store()?;
                recorded.run(context.output, &schemas, only.as_ref())
            }
            Asked::Stores(question) => {
                let candidates = candidates(context, question.named())?;
                question.run(context.output, &candidates).await
            }
        }
    }
}

/// The stores that are named; without a name `--store`, or those of the configuration.
fn candidates(context: &Context, named: &[String]) -> Result<Vec<Candidate>> {
    let named = if named.is_empty() { context.store.store.as_slice() } else { named };
    let (config, names) = match named {
        [] => {
            let config = context.load_chosen(context.need_configuration()?.as_deref())?;
            let names = config.configured().into_iter().map(str::to_owned).collect();
            (config, names)
        }
        named => (context.load(context.file().as_deref(), None)?, named.to_vec()),
    };
    let options = config.options(Arc::default());
    let of = |name: &String| {
        let (factory, settings) = if name.contains(':') {
            let chosen = context.by_url(name)?.store;
            (chosen.factory, chosen.settings)
        } else {
            // One that this build cannot open is a part of the answer.
            let factory = Arc::clone(context.registry.get(name)?);
            let settings = config.settings(factory.settings_key())?;
            factory.check(&settings)?;
            (factory, settings)
        };
        Ok(Candidate { factory, settings, options: options.clone() })
    };
    names.iter().map(of).collect()
}
