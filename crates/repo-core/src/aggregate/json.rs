//! Rows as JSON text, with every digit of their numbers.

use std::fmt::Write as _;

use super::row::{AggregateValue, Extreme, GroupRow};
use super::spec::Aggregation;
use crate::strategy::push_json_string;

impl GroupRow {
    /// The row as one line of JSON, of the aggregation that it answers:
    /// `{"group":{"status":"up"},"values":{"count":2,"min(price)":{"value":0.1,"skipped":0}}}`.
    /// A field that is missing is left out of `group`. Numbers have all their digits.
    #[must_use]
    pub fn to_json(&self, aggregation: &Aggregation) -> String {
        let mut out = String::from("{\"group\":{");
        let mut is_first = true;
        for (path, value) in aggregation.group_fields().iter().zip(&self.key) {
            let Some(value) = value else { continue };
            push_name(&mut out, &path.to_string(), &mut is_first);
            push_all(&mut out, format_args!("{value}"));
        }
        out.push_str("},\"values\":{");
        is_first = true;
        for (function, value) in aggregation.functions().iter().zip(&self.values) {
            push_name(&mut out, &function.to_string(), &mut is_first);
            push_value(&mut out, value);
        }
        out.push_str("}}");
        out
    }
}

fn push_name(out: &mut String, name: &str, is_first: &mut bool) {
    if !std::mem::take(is_first) {
        out.push(',');
    }
    push_json_string(out, name);
    out.push(':');
}

fn push_value(out: &mut String, value: &AggregateValue) {
    match value {
        AggregateValue::Count(count) => push_all(out, format_args!("{count}")),
        AggregateValue::Sum { sum, numbers, skipped } => {
            push_all(
                out,
                format_args!("{{\"sum\":{sum},\"numbers\":{numbers},\"skipped\":{skipped}}}"),
            );
        }
        AggregateValue::Min { value, skipped } | AggregateValue::Max { value, skipped } => {
            out.push_str("{\"value\":");
            match value {
                None => out.push_str("null"),
                Some(Extreme::Number(number)) => push_all(out, format_args!("{number}")),
                Some(Extreme::Text(text)) => push_json_string(out, text),
            }
            push_all(out, format_args!(",\"skipped\":{skipped}}}"));
        }
        AggregateValue::Avg { average, sum, numbers, skipped } => {
            out.push_str("{\"average\":");
            match average {
                None => out.push_str("null"),
                Some(average) => push_all(out, format_args!("{average}")),
            }
            push_all(
                out,
                format_args!(",\"sum\":{sum},\"numbers\":{numbers},\"skipped\":{skipped}}}"),
            );
        }
    }
}

fn push_all(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Infallible: a String takes everything.
    let _ = out.write_fmt(text);
}
