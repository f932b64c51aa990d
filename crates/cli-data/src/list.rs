//! `repoctl data list`.

use clap::{Args, ValueEnum};
use cli_output::exit_code::Ending;
use cli_output::failure::{Failure, Outcome, wrong_usage};
use cli_output::output::{Format, JsonStream, Output, Table, cell, draw, table_of_numbers};
use cli_output::transfer::bytes;
use repo_core::Error;
use serde_json::Value as Json;

use crate::items::Items;
use crate::server::ServerArgs;

/// Items that are listed unless it is said how many.
const LIMIT: u64 = 100;
/// Most items of a table, which is in memory until it is drawn.
const MOST_ROWS: u64 = 10_000;

/// What can be typed after `data list`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArgs,
    /// List datasets instead of entries
    #[arg(long, conflicts_with_all = ["dataset", "parent", "project", "owner", "tag", "status"])]
    datasets: bool,
    /// Only entries in this dataset
    #[arg(long, value_name = "ID")]
    dataset: Option<String>,
    /// Only entries directly in this directory
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// Only entries in this project
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// Only entries of this owner
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Only entries with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Only entries with this status [default: pending and active ones]
    #[arg(long, value_enum, value_name = "STATUS")]
    status: Option<Status>,
    /// Most items
    #[arg(long, value_name = "N", default_value_t = LIMIT)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Pending,
    Active,
    Deleted,
}

impl Arguments {
    pub(crate) async fn run(&self, output: Output) -> Outcome<Ending> {
        if output.format == Format::Human && self.limit > MOST_ROWS {
            let why = "a table of so many rows is not drawn";
            return Err(wrong_usage("list", why)
                .with("most", MOST_ROWS)
                .hint("use --format ndjson, which prints a line as it comes")
                .into());
        }
        let client = self.server.client()?;
        if self.datasets {
            let items = client.list("list datasets", "datasets", Vec::new());
            let head = &["id", "name", "state", "owner", "created"];
            return print(output, items, self.limit, (head, head.len()), dataset_row).await;
        }
        let items = client.list("list entries", "entries", self.query());
        let head = &["id", "name", "kind", "status", "owner", "modified", "size"];
        print(output, items, self.limit, (head, head.len() - 1), entry_row).await
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let status = self.status.map(|status| match status {
            Status::Pending => "pending".to_owned(),
            Status::Active => "active".to_owned(),
            Status::Deleted => "deleted".to_owned(),
        });
        let asked = [
            ("dataset", self.dataset.clone()),
            ("parent", self.parent.clone()),
            ("project", self.project.clone()),
            ("owner", self.owner.clone()),
            ("tag", self.tag.clone()),
            ("status", status),
        ];
        asked.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// A text of an item, as a cell of a table.
pub(crate) fn text(item: &Json, name: &str) -> String {
    item[name].as_str().map(cell).unwrap_or_default()
}

fn entry_row(item: &Json) -> Vec<String> {
    let mut row: Vec<String> = ["id", "name", "kind", "status", "owner", "modified_at"]
        .map(|name| text(item, name))
        .to_vec();
    row.push(bytes(item["size"].as_u64().unwrap_or(0)));
    row
}

fn dataset_row(item: &Json) -> Vec<String> {
    ["id", "name", "state", "owner", "created_at"].map(|name| text(item, name)).to_vec()
}

/// Prints a list: a table, one JSON object as its items come, or a line for each.
///
/// # Errors
/// Those of the server, and what cannot be printed.
pub(crate) async fn print(
    output: Output,
    mut items: Items<'_>,
    limit: u64,
    (head, numbers_from): (&[&str], usize),
    row: fn(&Json) -> Vec<String>,
) -> Outcome<Ending> {
    // What is wrong shows before anything is printed.
    let mut next = items.next(limit).await?;
    let mut printed = Printed::begin(output, table_of_numbers(head, numbers_from), row)?;
    let mut count = 0;
    while let Some(item) = next.take() {
        printed.add(&item)?;
        count += 1;
        next = match items.next((limit - count).max(1)).await {
            Ok(next) => next,
            Err(error) => return Err(printed.fail(error)),
        };
        if count == limit {
            break;
        }
    }
    let more = next.is_some();
    printed.finish(more)?;
    if more {
        output.note(&format!("there are more: only {limit} are shown, --limit N shows others"));
    }
    Ok(Ending::Done)
}

/// What is printed of a list.
struct Printed {
    output: Output,
    table: Table,
    json: Option<JsonStream>,
    row: fn(&Json) -> Vec<String>,
}

impl Printed {
    fn begin(output: Output, table: Table, row: fn(&Json) -> Vec<String>) -> Outcome<Self> {
        let json = match output.format {
            Format::Json => Some(JsonStream::begin(output, &[], "items")?),
            Format::Human | Format::Ndjson => None,
        };
        Ok(Self { output, table, json, row })
    }

    fn add(&mut self, item: &Json) -> Outcome<()> {
        match (&mut self.json, self.output.format) {
            (Some(stream), _) => stream.lines(item.to_string().as_bytes()),
            (None, Format::Human) => {
                self.table.add_row((self.row)(item));
                Ok(())
            }
            (None, _) => self.output.line(item),
        }
    }

    fn fail(self, error: Error) -> Failure {
        match self.json {
            Some(stream) => stream.fail(error),
            None => error.into(),
        }
    }

    fn finish(self, more: bool) -> Outcome<()> {
        match self.json {
            Some(stream) => stream.finish(&[("more", Json::Bool(more))]),
            None if self.output.format == Format::Human => self.output.text(&draw(&self.table)),
            None => Ok(()),
        }
    }
}
