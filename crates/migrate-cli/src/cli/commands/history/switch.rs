//! `repoctl history on` and `off`.

use std::sync::Arc;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Outcome, wrong_usage};
use repo_history::History;
use serde_json::json;

use super::retention::{RetentionArgs, in_words};
use crate::cli::context::{Access, Context, collection};

/// What can be typed after `history on`.
#[derive(Debug, Args)]
pub(crate) struct On {
    /// The collection
    collection: String,
    #[command(flatten)]
    retention: RetentionArgs,
    /// Let `prune` remove nothing any more, whatever was given before
    #[arg(long, conflicts_with_all = ["keep_age", "keep_versions"])]
    keep_everything: bool,
}

impl On {
    pub(super) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let retention = self.retention.retention()?;
        let opened = context.open(Access::Write).await?;
        let work = async {
            let history = History::of(Arc::clone(&opened.store), name.clone());
            // Without a flag what was given before stays.
            let before = history.kept().await?.map(|kept| kept.retention);
            let asked = !retention.is_everything() || self.keep_everything;
            let retention = if asked { retention } else { before.unwrap_or_default() };
            let state = history.begin(retention).await?;
            let answer = json!({ "collection": name, "history": state });
            context.output.result(&answer, || {
                format!(
                    "the history of {name} is kept since {}; `repoctl history prune {name}` keeps {}",
                    state.since,
                    in_words(state.retention)
                )
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}

/// What can be typed after `history off`.
#[derive(Debug, Args)]
pub(crate) struct Off {
    /// The collection
    collection: String,
    /// Remove every older version of the collection
    #[arg(long)]
    yes: bool,
}

impl Off {
    pub(super) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        if !self.yes {
            let why = "this removes every older version of the collection";
            return Err(wrong_usage("end the history", why)
                .with("collection", &name)
                .hint("repeat it with --yes")
                .into());
        }
        let opened = context.open(Access::Write).await?;
        let work = async {
            History::of(Arc::clone(&opened.store), name.clone()).end().await?;
            let answer = json!({ "collection": name, "history": null });
            context.output.result(&answer, || {
                format!("the history of {name} is not kept any more; what was kept is removed")
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}
