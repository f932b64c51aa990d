//! `repoctl data usage`.

use clap::{Args, ValueEnum};
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::Output;
use cli_output::transfer::bytes;
use serde_json::Value as Json;

use crate::list::{print, text};
use crate::server::ServerArgs;

/// What can be typed after `data usage`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArgs,
    /// For what is counted
    #[arg(long, value_enum, value_name = "SCOPE", default_value_t = Scope::Owner)]
    scope: Scope,
    /// Only this owner, dataset or store
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Most items
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scope {
    /// Owners; without the scope `admin` the caller alone
    Owner,
    /// Datasets; without the scope `admin` those of the caller
    Dataset,
    /// Stores of blobs, in bytes; with the scope `admin`
    Store,
}

impl Arguments {
    pub(crate) async fn run(&self, output: Output) -> Outcome<Ending> {
        let client = self.server.client()?;
        let scope = match self.scope {
            Scope::Owner => "owner",
            Scope::Dataset => "dataset",
            Scope::Store => "store",
        };
        let mut query = vec![("scope", scope.to_owned())];
        query.extend(self.name.clone().map(|name| ("name", name)));
        let items = client.list("read the usage", "usage", query);
        let head = &["scope", "name", "entries", "datapoints", "bytes", "restorable"];
        print(output, items, self.limit, (head, 2), row).await
    }
}

fn row(item: &Json) -> Vec<String> {
    let number = |name: &str| item[name].as_i64().unwrap_or(0);
    let size = |name: &str| bytes(u64::try_from(number(name)).unwrap_or(0));
    vec![
        text(item, "scope"),
        text(item, "name"),
        number("entries").to_string(),
        number("datapoints").to_string(),
        size("bytes"),
        size("condemned_bytes"),
    ]
}
