//! Groups of entities, as Python asks for them and gets them.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use repo_core::{
    AggregateFunction, AggregateValue, Aggregates, Aggregation, Filter, Result, Value,
};

use crate::text::loaded;

/// What is asked; without functions entities are counted.
///
/// # Errors
/// As of each part of an [`Aggregation`].
pub(crate) fn aggregation(
    filter: Filter,
    group_by: &[String],
    functions: Option<&[String]>,
    max_groups: Option<usize>,
    strong: bool,
) -> Result<Aggregation> {
    let mut asked = Aggregation::new(filter);
    for field in group_by {
        asked = asked.group_by(field)?;
    }
    match functions {
        None => asked = asked.count()?,
        Some(functions) => {
            for function in functions {
                asked = asked.function(AggregateFunction::parse(function)?)?;
            }
        }
    }
    if let Some(most) = max_groups {
        asked = asked.max_groups(most)?;
    }
    Ok(if strong { asked.strong() } else { asked })
}

/// The rows as a list of dicts. What is no whole number is a `decimal.Decimal`: a float would
/// lose digits.
pub(crate) fn rows<'py>(
    py: Python<'py>,
    asked: &Aggregation,
    answer: &Aggregates,
) -> PyResult<Bound<'py, PyAny>> {
    let rows: Vec<String> = answer.rows.iter().map(|row| row.to_json(asked)).collect();
    let options = PyDict::new(py);
    options.set_item("parse_float", py.import("decimal")?.getattr("Decimal")?)?;
    loaded(py, &format!("[{}]", rows.join(",")), Some(&options))
}

/// How many entities each group of one field has: the text of a string, the JSON text of any
/// other value, `None` for null and for no field.
pub(crate) fn counts(answer: Aggregates) -> BTreeMap<Option<String>, u64> {
    let mut counts = BTreeMap::new();
    for row in answer.rows {
        let value = match row.key.into_iter().next().flatten() {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(other) => Some(other.to_string()),
        };
        if let Some(AggregateValue::Count(count)) = row.values.first() {
            *counts.entry(value).or_insert(0) += count;
        }
    }
    counts
}
