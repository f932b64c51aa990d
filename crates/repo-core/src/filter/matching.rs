//! Whether a document matches: two-valued logic.

use std::cmp::Ordering;

use super::{Filter, Predicate};
use crate::{Document, Value};

impl Filter {
    /// Whether `document` matches.
    #[must_use]
    pub fn matches(&self, document: &Document) -> bool {
        matches(self, document)
    }
}

fn matches(filter: &Filter, document: &Document) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().all(|part| matches(part, document)),
        Filter::Or(parts) => parts.iter().any(|part| matches(part, document)),
        Filter::Not(part) => !matches(part, document),
        Filter::Field(path, Predicate::Exists(exists)) => {
            document.get_text(path).is_some() == *exists
        }
        Filter::Field(path, predicate) => {
            document.get(path).is_some_and(|value| holds(predicate, &value))
        }
    }
}

fn holds(predicate: &Predicate, value: &Value) -> bool {
    match predicate {
        Predicate::Eq(operand) => value == operand,
        Predicate::Compare(comparison, operand) => {
            compare(value, operand).is_some_and(|ordering| comparison.accepts(ordering))
        }
        Predicate::In(operands) => operands.contains(value),
        Predicate::Exists(exists) => *exists,
        Predicate::BeginsWith(start) => {
            value.as_str().is_some_and(|text| text.starts_with(start.as_str()))
        }
        Predicate::Contains(operand) => match (value, operand) {
            (Value::Array(items), _) => items.contains(operand),
            (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
            _ => false,
        },
        Predicate::Regex(pattern) => value.as_str().is_some_and(|text| pattern.is_match(text)),
    }
}

/// Numbers with numbers, strings with strings, nothing else.
fn compare(value: &Value, operand: &Value) -> Option<Ordering> {
    match (value, operand) {
        (Value::Number(a), Value::Number(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        _ => None,
    }
}
