//! The report as a table for people.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use crate::grouping::grouped;
use crate::growth::Growth;
use crate::report::{Report, duration};
use crate::row::Row;

const HEADER: [&str; 8] = ["row", "at", "ours", "raw", "ratio", "spread", "bound", "holds"];

/// The report as text: the machine, the table, and what the rows are.
#[must_use]
pub fn to_table(report: &Report) -> String {
    let mut table = empty(&HEADER);
    for line in &report.lines {
        let start = [line.row.name.to_owned(), line.at.clone()];
        let cells = [start, line.sides(), line.ratio(), line.verdict()].concat();
        table.add_row(cells);
    }
    for at in 2..=5 {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}\n{}\n{}", report.machine.in_words(report.load_after), table.trim_fmt(), legend())
}

/// All rows with what they compare.
#[must_use]
pub fn rows_table<'a>(rows: impl IntoIterator<Item = &'a Row>) -> String {
    let mut table = empty(&["row", "ours", "against", "bound"]);
    for row in rows {
        let bound = row.bound.map_or_else(|| "–".to_owned(), |bound| bound.to_string());
        table.add_row([row.name, row.what, row.against, &bound]);
    }
    table.trim_fmt()
}

/// The curves as text: a line for each, a column for each size.
#[must_use]
pub fn growth_table(growth: &Growth) -> String {
    let sizes = growth.curves.iter().map(|curve| &curve.points).max_by_key(|points| points.len());
    let sizes = sizes.into_iter().flatten().map(|point| grouped(point.entities));
    let header: Vec<String> =
        ["store".into(), "operation".into()].into_iter().chain(sizes).collect();
    let mut table = empty(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for curve in &growth.curves {
        let times = curve.points.iter().map(|point| duration(point.seconds_each.median));
        let start = [curve.store.to_owned(), curve.operation.to_owned()];
        table.add_row(start.into_iter().chain(times));
    }
    format!("{}\n{}", growth.machine.in_words(growth.load_after), table.trim_fmt())
}

fn empty(header: &[&str]) -> Table {
    let mut table = Table::new();
    let line = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(line));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().copied());
    table
}

fn legend() -> &'static str {
    "Ratio: ours to raw, the median of all pairs; of times where the bound is ≤, of rates where it \
     is ≥. Spread: the middle half of the pairs. `bench --list` says what each row is."
}
