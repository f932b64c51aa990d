//! `repoctl init`: makes what the collections need in the store. Safe to
//! repeat.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::{draw, table};
use repo_core::strategy::{PrepareChange, StorageStrategyExt as _};
use repo_core::{CollectionSchema, Result};
use serde::Serialize;
use serde_json::json;

use crate::cli::context::{Access, Context, Opened, collection};

/// What can be typed after `init`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collections [default: every declared one]. One without a schema
    /// has the id field `id` and no index
    collections: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    collection: String,
    change: PrepareChange,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let opened = context.open(Access::Write).await?;
        let work = async {
            let schemas = self.schemas(&opened)?;
            let outdated = opened.store.outdated(&schemas).await?;
            let rows: Vec<Row> = opened
                .store
                .prepare_keeping_versions(&schemas)
                .await?
                .into_iter()
                .map(|done| Row { collection: done.collection.to_string(), change: done.change })
                .collect();
            // Last: what was to be refused has been.
            let upgraded = opened.store.upgrade_layout().await?;
            for (name, path) in &outdated {
                let (from, to) = (path.from(), path.to());
                context.output.warning(&format!(
                    "{name} holds documents of schema version {from}; to bring them to {to}: \
                     `repoctl upgrade {name} --to {to}`"
                ));
            }
            let layout = opened.store.store_record().await?.layout_version;
            if upgraded == Some(layout) {
                context.output.note(
                    "tables got a column for the digest of each record; records that were there \
                     get theirs when they are next written",
                );
            } else if let Some(from) = upgraded.filter(|from| *from > layout) {
                context.output.note(&format!(
                    "the data files are plain again, and the store went from layout {from} to \
                     {layout}"
                ));
            } else if let Some(from) = upgraded {
                context.output.note(&format!(
                    "the store was brought from layout {from} to {layout}; a version of the \
                     program from before cannot open it any more"
                ));
            }
            let answer = json!({
                "store": opened.store.location(),
                "layout": { "version": layout, "upgraded_from": upgraded },
                "collections": rows,
            });
            context.output.list(&answer, &rows, || human(&rows))?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }

    fn schemas(&self, opened: &Opened) -> Result<Vec<CollectionSchema>> {
        if self.collections.is_empty() {
            return Ok(opened.schemas.iter().cloned().collect());
        }
        self.collections.iter().map(|name| Ok(opened.schema(&collection(name)?))).collect()
    }
}

fn human(rows: &[Row]) -> String {
    let mut table = table(&["collection", "change"]);
    for row in rows {
        table.add_row([row.collection.as_str(), word(row.change)]);
    }
    draw(&table)
}

/// The word for a change, as people read it.
pub(crate) fn word(change: PrepareChange) -> &'static str {
    match change {
        PrepareChange::Created => "Created",
        PrepareChange::Updated => "Updated",
        PrepareChange::Unchanged => "Unchanged",
    }
}
