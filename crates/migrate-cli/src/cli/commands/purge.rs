//! `repoctl purge`: removes tombstones that nobody needs any more.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use repo_core::{Clock as _, SystemClock};
use serde_json::json;

use crate::cli::context::{Access, Context, collection};
use crate::cli::typed::duration;

/// What can be typed after `purge`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// Remove what was deleted longer ago than this: 30d, 12h, "1 week"
    #[arg(long, value_name = "DURATION")]
    older_than: String,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let limit = SystemClock.now().saturating_sub(duration("--older-than", &self.older_than)?);
        let opened = context.open(Access::Write).await?;
        let work = async {
            let purged = opened.store.purge(&name, limit).await?;
            let answer = json!({
                "collection": name,
                "older_than": limit,
                "removed": purged.removed,
                "floor": purged.floor,
            });
            context.output.result(&answer, || {
                format!(
                    "{} tombstones of {name} from before {limit} are removed; new ids start above \
                     version {}",
                    purged.removed, purged.floor
                )
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}
