//! `repoctl data restore`.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::{Output, cell};
use reqwest::Method;
use serde_json::{Value as Json, json};

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
        let mut restored: Vec<Json> = Vec::new();
        for id in &self.ids {
            let request = client.request(Method::POST, client.url(&[what, id, "restore"])?);
            // What is active stays so.
            match client.json::<Json>("restore", request).await {
                Ok(answer) => restored.push(json!({
                    "id": answer["id"], "name": answer["name"], "version": answer["version"],
                })),
                Err(error) => {
                    if !restored.is_empty() {
                        output.note(&lines(&restored));
                    }
                    return Err(error.with("id", id).into());
                }
            }
        }
        output.list(&json!({ "restored": restored }), &restored, || lines(&restored))?;
        Ok(Ending::Done)
    }
}

fn lines(restored: &[Json]) -> String {
    let text = |one: &Json, name: &str| cell(one[name].as_str().unwrap_or_default());
    let line = |one: &Json| format!("restored {}: {}", text(one, "id"), text(one, "name"));
    restored.iter().map(line).collect::<Vec<_>>().join("\n")
}
