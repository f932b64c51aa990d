//! A row as SQLite gives it, as the values of a record.

use std::borrow::Cow;

use rusqlite::types::ValueRef;

use crate::existing::{Cell, Place, Row, SqlKind, Table, iso_time};

/// A row as the statements of `search` give it.
pub(super) fn row_of<'row>(
    table: &Table,
    row: &'row rusqlite::Row<'_>,
) -> rusqlite::Result<Row<'row>> {
    let place = match row.get_ref(0)? {
        ValueRef::Integer(number) => Place::Rowid(number),
        _ => Place::Unknown,
    };
    let cells = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let value = row.get_ref(at + 1)?;
            Ok(match value {
                // 1 and '1' could stand beside each other, and are one id.
                ValueRef::Integer(_) | ValueRef::Real(_)
                    if at == table.id && keeps_any_value(&column.sql_type) =>
                {
                    let what = "it is a number in a column without a type";
                    Cell::Unsayable(what, Cow::Borrowed(&[]))
                }
                value => cell(value, column.kind),
            })
        })
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Row { place, cells })
}

/// Whether a column of this type keeps numbers and text apart ("no affinity").
fn keeps_any_value(sql_type: &str) -> bool {
    let declared = sql_type.to_ascii_uppercase();
    let says = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    !says(&["INT", "CHAR", "CLOB", "TEXT"]) && (declared.is_empty() || says(&["BLOB"]))
}

fn cell(value: ValueRef<'_>, kind: SqlKind) -> Cell<'_> {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Number(number.to_string().into()),
        ValueRef::Real(number) if number.is_finite() => Cell::Number(shortest(number).into()),
        ValueRef::Real(number) => {
            Cell::Unsayable("an infinite number", number.to_string().into_bytes().into())
        }
        ValueRef::Blob(bytes) => Cell::Unsayable("bytes (BLOB)", bytes.into()),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if kind == SqlKind::Time => Cell::Text(iso_time(text)),
            Ok(text) => Cell::Text(text.into()),
            Err(_) => Cell::Unsayable("text that is not UTF-8", bytes.into()),
        },
    }
}

/// The shortest decimal number that is read as the same float again.
fn shortest(number: f64) -> String {
    let text = format!("{number:?}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}
