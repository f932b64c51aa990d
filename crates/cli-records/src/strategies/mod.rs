//! `repoctl strategies`: what this build knows and can open, and every feature with what shows
//! it.

pub mod matrix;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::{Output, draw, table};
use repo_core::strategy::Registry;
use serde::Serialize;
use serde_json::json;

/// What can be typed after `strategies`.
#[derive(Debug, Args)]
// A command of this name has a group of this name.
#[group(skip)]
pub struct Arguments {
    /// List every feature with the command or page that shows it, and what is refused
    #[arg(long)]
    matrix: bool,
}

#[derive(Debug, Serialize)]
struct Strategy {
    name: &'static str,
    usable: bool,
    settings_key: &'static str,
    summary: &'static str,
}

impl Arguments {
    /// Prints what was asked for.
    ///
    /// # Errors
    /// What cannot be printed.
    pub fn run(&self, output: Output, registry: &Registry) -> Outcome<Ending> {
        if self.matrix {
            let rows: Vec<_> = matrix::rows().collect();
            output.list(&json!({ "features": rows }), &rows, matrix::page)?;
        } else {
            let rows: Vec<Strategy> = registry
                .iter()
                .map(|factory| Strategy {
                    name: factory.name(),
                    usable: factory.check_built_in().is_ok(),
                    settings_key: factory.settings_key(),
                    summary: factory.summary(),
                })
                .collect();
            output.list(&json!({ "strategies": rows }), &rows, || in_words(&rows))?;
        }
        Ok(Ending::Done)
    }
}

fn in_words(rows: &[Strategy]) -> String {
    let mut table = table(&["name", "in this build", "settings", "what it is"]);
    for row in rows {
        let usable = if row.usable { "yes" } else { "no" };
        table.add_row([row.name, usable, row.settings_key, row.summary]);
    }
    draw(&table)
}
