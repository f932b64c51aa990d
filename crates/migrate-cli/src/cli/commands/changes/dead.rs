//! `repoctl changes dead`: changes that a consumer could not work on.

use clap::{Args, Subcommand};
use cli_output::exit_code::Ending;
use cli_output::failure::{Outcome, usage};
use cli_output::output::{cell, draw, table_of_numbers};
use repo_core::{EntityId, Key};
use repo_feed::DeadLetter;
use serde_json::{Value as Json, json};

use super::opening::{consumer, open};
use crate::cli::context::{Context, collection};

/// What can be typed after `dead`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the dead letters of a consumer
    List(List),
    /// Have dead letters tried again, by the process that follows
    Retry(Retry),
    /// Drop the oldest dead letter of a record, and have the later ones tried again
    Skip(Skip),
}

impl Command {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        match self {
            Self::List(arguments) => arguments.run(context).await,
            Self::Retry(arguments) => arguments.run(context).await,
            Self::Skip(arguments) => arguments.run(context).await,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// The name of the consumer
    name: String,
}

impl List {
    async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = consumer(&self.name)?;
        let (opened, consumers) = open(context).await?;
        let work = async {
            let letters = consumers.dead_letters(&name).await?;
            let views: Vec<Json> = letters.iter().map(view).collect();
            let whole = json!({ "dead_letters": views });
            context.output.list(&whole, &views, || human(&letters))?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}

#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The name of the consumer
    name: String,
    /// The record, as collection and id; without it those of all records
    #[arg(num_args = 2, value_names = ["COLLECTION", "ID"])]
    record: Vec<String>,
}

impl Retry {
    async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = consumer(&self.name)?;
        let record = match self.record.as_slice() {
            [collection, id] => Some(key(collection, id)?),
            _ => None,
        };
        let (opened, consumers) = open(context).await?;
        let work = async {
            let count = consumers.retry(&name, record.as_ref()).await?;
            context.output.result(&json!({ "retried": count }), || {
                format!(
                    "{count} dead letters are tried again by `repoctl changes follow {name}`, now \
                     if it runs"
                )
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}

#[derive(Debug, Args)]
pub(crate) struct Skip {
    /// The name of the consumer
    name: String,
    /// The collection of the record
    collection: String,
    /// The id of the record
    id: String,
}

impl Skip {
    async fn run(&self, context: &Context) -> Outcome<Ending> {
        let (name, record) = (consumer(&self.name)?, key(&self.collection, &self.id)?);
        let (opened, consumers) = open(context).await?;
        let work = async {
            let skipped = consumers.skip(&name, &record).await?;
            context.output.result(&json!({ "skipped": view(&skipped) }), || {
                format!("{record} at version {} is skipped", skipped.version)
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}

fn key(collection_name: &str, id: &str) -> repo_core::Result<Key> {
    Ok(Key::new(collection(collection_name)?, EntityId::new(id).map_err(usage)?))
}

fn view(letter: &DeadLetter) -> Json {
    json!({
        "number": letter.number,
        "collection": letter.key.collection,
        "id": letter.key.id.as_str(),
        "version": letter.version.get(),
        "deleted": letter.deleted,
        "position": letter.position,
        "error": letter.error,
        "attempts": letter.attempts,
        "at": letter.at,
        "retry": letter.retry,
    })
}

fn human(letters: &[DeadLetter]) -> String {
    if letters.is_empty() {
        return "no dead letters".to_owned();
    }
    let mut table = table_of_numbers(&["record", "at", "error", "version", "attempts"], 3);
    for letter in letters {
        table.add_row([
            cell(&letter.key.to_string()),
            letter.at.to_string(),
            cell(&letter.error),
            letter.version.to_string(),
            letter.attempts.to_string(),
        ]);
    }
    draw(&table)
}
