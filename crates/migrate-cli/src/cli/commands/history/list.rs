//! `repoctl history list`.

use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::{draw, table};
use serde_json::{Value as Json, json};

use super::retention::in_words;
use crate::cli::context::{Access, Context};

pub(super) async fn run(context: &Context) -> Outcome<Ending> {
    let opened = context.open(Access::Read).await?;
    let work = async {
        let histories = opened.store.store_record().await?.history;
        let views: Vec<Json> = histories
            .iter()
            .map(|(name, state)| {
                json!({
                    "collection": name,
                    "since": state.since,
                    "max_age_seconds": state.retention.max_age_seconds,
                    "max_versions": state.retention.max_versions,
                })
            })
            .collect();
        context.output.list(&json!({ "histories": views }), &views, || {
            if histories.is_empty() {
                return "no history is kept".to_owned();
            }
            let mut table = table(&["collection", "since", "kept by prune"]);
            for (name, state) in &histories {
                let kept = in_words(state.retention);
                table.add_row([name.to_string(), state.since.to_string(), kept]);
            }
            draw(&table)
        })?;
        Ok(Ending::Done)
    };
    opened.close_after(work).await
}
