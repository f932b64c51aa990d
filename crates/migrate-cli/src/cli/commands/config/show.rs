//! `repoctl config show`.

use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::{cell, draw, table};
use serde_json::{Value as Json, json};

use crate::cli::context::Context;

pub(crate) fn run(context: &Context) -> Outcome<Ending> {
    let file = context.need_configuration()?;
    let config = context.load_chosen(file.as_deref())?;
    let entries = config.entries();
    let answer = json!({ "file": file, "entries": entries, "ignored": config.ignored() });
    context.output.list(&answer, entries, || {
        let mut table = table(&["setting", "value", "from"]);
        for entry in entries {
            let value = match &entry.value {
                Json::String(text) => cell(text),
                other => other.to_string(),
            };
            table.add_row([entry.path.clone(), value, entry.origin.clone()]);
        }
        draw(&table)
    })?;
    Ok(Ending::Done)
}
