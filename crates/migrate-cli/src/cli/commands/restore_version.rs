//! `repoctl restore-version`: an older version becomes the newest.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use repo_core::Precondition;
use repo_history::History;
use repo_migrate::refuse_unfinished_upgrade;
use serde_json::json;

use crate::cli::attribution::{self, AttributionArgs};
use crate::cli::context::{Access, Context, collection};
use crate::cli::typed;

/// What can be typed after `restore-version`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// The id of the entity
    id: String,
    /// The version whose document is stored again, as a new version
    version: u64,
    /// Refuse unless the entity has this version now
    #[arg(long, value_name = "N")]
    expect_version: Option<u64>,
    #[command(flatten)]
    by: AttributionArgs,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let (id, version) = (typed::id(&self.id)?, typed::version(self.version)?);
        let precondition = match self.expect_version {
            Some(number) => Precondition::Version(typed::version(number)?),
            None => Precondition::Any,
        };
        let by = self.by.parse()?;
        let opened = context.open(Access::Write).await?;
        let store = attribution::around(by, &opened.store);
        let work = async {
            refuse_unfinished_upgrade(&opened.store, &name).await?;
            let history = History::of(store, name.clone());
            let entity = history.restore(&id, version, precondition).await?;
            let answer = json!({
                "collection": name,
                "id": id,
                "restored": version,
                "version": entity.version,
            });
            context.output.result(&answer, || {
                format!(
                    "{name}/{id} is as in version {version} again, as version {}",
                    entity.version
                )
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}
