//! `repoctl data rm`.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::{Output, cell};
use repo_core::Result;
use reqwest::header::IF_MATCH;
use reqwest::{Method, RequestBuilder};
use serde_json::Value as Json;

use crate::each::Each;
use crate::server::ServerArgs;

/// What can be typed after `data rm`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArgs,
    /// The ids; the first that is refused ends the command
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// The ids are those of datasets, which go with all that is in them
    #[arg(long)]
    datasets: bool,
    /// Only if it is at this version
    #[arg(long, value_name = "VERSION")]
    expect_version: Option<u64>,
}

impl Arguments {
    pub(crate) async fn run(&self, output: Output) -> Outcome<Ending> {
        let client = self.server.client()?;
        let what = if self.datasets { "datasets" } else { "entries" };
        let request = |id: &str| -> Result<RequestBuilder> {
            let request = client.request(Method::DELETE, client.url(&[what, id])?);
            Ok(match self.expect_version {
                Some(version) => request.header(IF_MATCH, format!("\"{version}\"")),
                None => request,
            })
        };
        let keep = std::convert::identity;
        let each = Each { operation: "delete", done: "deleted", request: &request, keep, line };
        each.run(&client, &self.ids, output).await
    }
}

fn line(deleted: &Json) -> String {
    let id = cell(deleted["id"].as_str().unwrap_or_default());
    match deleted["restorable_until"].as_str() {
        Some(until) => format!("deleted {id}; it can be restored until {}", cell(until)),
        None => format!("removed {id}, which never had its bytes"),
    }
}
