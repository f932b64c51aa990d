//! `repoctl config show`.

use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::exit_code::Ending;
use crate::cli::failure::Outcome;
use crate::cli::output::{cell, draw, table};

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
