//! `repoctl history prune`.

use std::sync::Arc;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Outcome, wrong_usage};
use repo_history::{History, Retention};
use serde_json::json;

use super::retention::{RetentionArgs, in_words};
use crate::cli::context::{Access, Context, collection};

/// What can be typed after `history prune`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    #[command(flatten)]
    retention: RetentionArgs,
}

impl Arguments {
    pub(super) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let asked = self.retention.retention()?;
        let opened = context.open(Access::Write).await?;
        let work = async {
            let history = History::of(Arc::clone(&opened.store), name.clone());
            let kept = history.state().await?.retention;
            let retention = if asked.is_everything() { kept } else { asked };
            refuse_everything(retention)?;
            let pruned = history.prune(retention).await?;
            let answer = json!({
                "collection": name,
                "removed": pruned.removed,
                "tagged": pruned.tagged,
                "history": pruned.state,
            });
            context.output.result(&answer, || {
                format!(
                    "{} versions of {name} are removed, {} kept by tags; kept: {}; the history \
                     begins at {}",
                    pruned.removed,
                    pruned.tagged,
                    in_words(retention),
                    pruned.state.since
                )
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}

fn refuse_everything(retention: Retention) -> Outcome<()> {
    if !retention.is_everything() {
        return Ok(());
    }
    let why = "nothing says what may go";
    Err(wrong_usage("prune the history", why)
        .hint("give --keep-age or --keep-versions, here or to `history on`")
        .into())
}
