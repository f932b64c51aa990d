//! `repoctl data restore`.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::{Output, cell};
use repo_core::Result;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value as Json, json};

use crate::each::Each;
use crate::server::ServerArgs;

/// What can be typed after `data restore`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArgs,
    /// The ids; the first that is refused ends the command
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// The ids are those of datasets, which come back with what was deleted with them
    #[arg(long)]
    datasets: bool,
}

impl Arguments {
    pub(crate) async fn run(&self, output: Output) -> Outcome<Ending> {
        let client = self.server.client()?;
        let what = if self.datasets { "datasets" } else { "entries" };
        let request = |id: &str| -> Result<RequestBuilder> {
            Ok(client.request(Method::POST, client.url(&[what, id, "restore"])?))
        };
        let each = Each { operation: "restore", done: "restored", request: &request, keep, line };
        each.run(&client, &self.ids, output).await
    }
}

fn keep(answer: Json) -> Json {
    json!({ "id": answer["id"], "name": answer["name"], "version": answer["version"] })
}

fn line(restored: &Json) -> String {
    let text = |name: &str| cell(restored[name].as_str().unwrap_or_default());
    format!("restored {}: {}", text("id"), text("name"))
}
