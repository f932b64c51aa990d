//! `repoctl checkpoint`: writes a JSON store's journal back into its files,
//! and SQLite's write-ahead log into the database.

use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use serde_json::json;

use crate::cli::context::{Access, Context};

pub(crate) async fn run(context: &Context) -> Outcome<Ending> {
    let opened = context.open(Access::Write).await?;
    let work = async {
        opened.store.checkpoint().await?;
        let answer = json!({ "store": opened.store.location(), "checkpointed": true });
        context.output.result(&answer, || {
            format!("the files of {} are up to date", opened.store.location())
        })?;
        Ok(Ending::Done)
    };
    opened.close_after(work).await
}
