//! `repoctl strategies`: what this build knows, and what it can open.

use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::{draw, table};
use serde::Serialize;
use serde_json::json;

use crate::cli::context::Context;

#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    usable: bool,
    settings_key: &'static str,
    summary: &'static str,
}

pub(crate) fn run(context: &Context) -> Outcome<Ending> {
    let rows: Vec<Row> = context
        .registry
        .iter()
        .map(|factory| Row {
            name: factory.name(),
            usable: factory.check_built_in().is_ok(),
            settings_key: factory.settings_key(),
            summary: factory.summary(),
        })
        .collect();
    context.output.list(&json!({ "strategies": rows }), &rows, || human(&rows))?;
    Ok(Ending::Done)
}

fn human(rows: &[Row]) -> String {
    let mut table = table(&["name", "in this build", "settings", "what it is"]);
    for row in rows {
        let usable = if row.usable { "yes" } else { "no" };
        table.add_row([row.name, usable, row.settings_key, row.summary]);
    }
    draw(&table)
}
