//! `repoctl data rm`.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::{Output, cell};
use reqwest::Method;
use reqwest::header::IF_MATCH;
use serde_json::{Value as Json, json};

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
        let mut deleted: Vec<Json> = Vec::new();
        for id in &self.ids {
            let mut request = client.request(Method::DELETE, client.url(&[what, id])?);
            if let Some(version) = self.expect_version {
                request = request.header(IF_MATCH, format!("\"{version}\""));
            }
            // Deleted again it stays so.
            match client.json::<Json>("delete", request).await {
                Ok(answer) => deleted.push(answer),
                Err(error) => {
                    // What is done is said before what is not.
                    if !deleted.is_empty() {
                        output.note(&lines(&deleted));
                    }
                    return Err(error.with("id", id).into());
                }
            }
        }
        output.list(&json!({ "deleted": deleted }), &deleted, || lines(&deleted))?;
        Ok(Ending::Done)
    }
}

fn lines(deleted: &[Json]) -> String {
    let line = |one: &Json| {
        let id = cell(one["id"].as_str().unwrap_or_default());
        match one["restorable_until"].as_str() {
            Some(until) => format!("deleted {id}; it can be restored until {}", cell(until)),
            None => format!("removed {id}, which never had its bytes"),
        }
    };
    deleted.iter().map(line).collect::<Vec<_>>().join("\n")
}
