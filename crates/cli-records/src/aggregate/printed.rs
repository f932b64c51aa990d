//! Groups as results: a table for people, JSON for programs.

use cli_output::failure::Outcome;
use cli_output::output::{Format, JsonStream, Output, cell, draw, table_of_numbers, write_stdout};
use repo_core::{Aggregates, Aggregation, CollectionName, GroupRow, Value};
use serde_json::json;

pub(super) fn print(
    output: Output,
    collection: &CollectionName,
    asked: &Aggregation,
    answer: &Aggregates,
) -> Outcome<()> {
    match output.format {
        Format::Human => human(output, asked, &answer.rows),
        Format::Ndjson => write_stdout(&lines(asked, &answer.rows)),
        Format::Json => {
            let head =
                [("collection", json!(collection)), ("grouped_by", json!(answer.grouped_by))];
            let mut stream = JsonStream::begin(output, &head, "groups")?;
            stream.lines(&lines(asked, &answer.rows))?;
            stream.finish(&[])
        }
    }
}

/// Each row as a line of JSON. Numbers keep their digits: they are never parsed here.
fn lines(asked: &Aggregation, rows: &[GroupRow]) -> Vec<u8> {
    let line = |row: &GroupRow| row.to_json(asked) + "\n";
    rows.iter().map(line).collect::<String>().into_bytes()
}

fn human(output: Output, asked: &Aggregation, rows: &[GroupRow]) -> Outcome<()> {
    if rows.is_empty() {
        output.note("nothing matches");
        return Ok(());
    }
    let fields = asked.group_fields().iter().map(ToString::to_string);
    let functions = asked.functions().iter().map(ToString::to_string);
    let header: Vec<String> = fields.chain(functions).map(|name| cell(&name)).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut table = table_of_numbers(&header, asked.group_fields().len());
    for row in rows {
        let group = row.key.iter().map(|value| shown(value.as_ref(), "(missing)"));
        let values = row.values.iter().map(|value| shown(value.value().as_ref(), "-"));
        table.add_row(group.chain(values).collect::<Vec<String>>());
    }
    output.text(&draw(&table))?;
    for (at, function) in asked.functions().iter().enumerate() {
        let skipped = rows.iter().filter_map(|row| row.values.get(at)).map(|value| value.skipped());
        let skipped: u64 = skipped.sum();
        if skipped > 0 {
            output.note(&format!("{function}: skipped {skipped} values of other types"));
        }
    }
    Ok(())
}

/// A value in a cell: the text of a string, JSON for all else. An empty string has quotes,
/// so that it is seen.
fn shown(value: Option<&Value>, none: &str) -> String {
    match value {
        None => none.to_owned(),
        Some(Value::String(text)) if !text.is_empty() => cell(text),
        Some(other) => cell(&other.to_string()),
    }
}
