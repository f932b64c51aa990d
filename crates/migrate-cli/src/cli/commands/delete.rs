//! `repoctl delete`: deletes one entity; its id and version stay as a
//! tombstone.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Outcome, usage};
use repo_core::{EntityId, Key, Precondition, Version, Write};
use serde_json::json;

use crate::cli::attribution::{self, AttributionArgs};
use crate::cli::context::{Access, Context, collection};
use repo_migrate::refuse_unfinished_upgrade;

/// What can be typed after `delete`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// The id of the entity
    id: String,
    /// Refuse unless the entity has this version
    #[arg(long, value_name = "N")]
    expect_version: Option<u64>,
    #[command(flatten)]
    by: AttributionArgs,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let key = Key::new(name, EntityId::new(&self.id).map_err(usage)?);
        // A mistyped id must not look like a deleted entity.
        let precondition = match self.expect_version {
            Some(number) => Precondition::Version(Version::new(number).map_err(usage)?),
            None => Precondition::Exists,
        };
        let by = self.by.parse()?;
        let opened = context.open(Access::Write).await?;
        let store = attribution::around(by, &opened.store);
        let work = async {
            refuse_unfinished_upgrade(&opened.store, &key.collection).await?;
            let written = store.commit(vec![Write::delete(key.clone(), precondition)]).await?;
            let version = written.first().and_then(|written| written.version());
            let answer = json!({
                "collection": key.collection,
                "id": key.id,
                "deleted": true,
                "version": version,
            });
            context.output.result(&answer, || match version {
                Some(version) => format!("{key} is deleted, at version {version}"),
                None => format!("{key} is deleted"),
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}
