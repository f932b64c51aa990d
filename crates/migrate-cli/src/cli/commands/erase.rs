//! `repoctl erase`: everything that the store holds of a record goes.

use std::path::PathBuf;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Outcome, usage};
use repo_core::Key;
use repo_core::strategy::{Erasure, Remnant};
use repo_migrate::{ErasureReport, erase, refuse_unfinished_upgrade};
use serde_json::{Value as Json, json};

use crate::cli::context::{Access, Context, collection};
use crate::cli::typed;

/// What can be typed after `erase`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// The id of the entity
    id: String,
    /// Why; kept with the mark that is left, so it should not name the person
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// A folder of archives to look for the record in; may be repeated [default:
    /// `migration.backup_location`, or backups]
    #[arg(long, value_name = "DIR")]
    backup_location: Vec<PathBuf>,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let key = Key::new(collection(&self.collection)?, typed::id(&self.id)?);
        Erasure::check_reason(&self.reason).map_err(usage)?;
        let folders = match self.backup_location.as_slice() {
            [] => vec![context.archives(None)?],
            named => named.to_vec(),
        };
        let opened = context.open(Access::Write).await?;
        let work = async {
            refuse_unfinished_upgrade(&opened.store, &key.collection).await?;
            let done = erase(&opened.store, &key, &self.reason, &folders).await?;
            let left: Vec<Json> = done
                .remnants
                .iter()
                .map(|Remnant { place, what, .. }| json!({ "place": place, "what": what }))
                .collect();
            let answer = json!({
                "collection": key.collection,
                "id": key.id,
                "erased_through": done.mark.through,
                "versions": done.versions,
                "tags": done.tags,
                "dead_letters": done.dead_letters,
                "left": left,
            });
            context.output.result(&answer, || in_words(&key, &done))?;
            Ok(if done.remnants.is_empty() { Ending::Done } else { Ending::Partly })
        };
        opened.close_after(work).await
    }
}

fn in_words(key: &Key, done: &ErasureReport) -> String {
    let ErasureReport { mark, versions, tags, dead_letters, remnants, .. } = done;
    let mut text = format!(
        "{key} is erased up to version {}: {versions} older versions, {tags} tags, {dead_letters} \
         dead letters; the store holds nothing of it but its id and a mark",
        mark.through
    );
    for remnant in remnants {
        text.push_str(&format!("\nLEFT {}: {}", remnant.place, remnant.what));
    }
    text
}
