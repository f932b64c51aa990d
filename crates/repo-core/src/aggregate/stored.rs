//! Values in the form in which they are stored: JSON text.

use std::borrow::Cow;
use std::fmt;

use crate::{Decimal, Error, ErrorKind, Result, Value};

/// The value of some JSON text.
///
/// # Errors
/// `Corrupt` for text that no document holds: another program wrote it.
pub(super) fn value(text: &str) -> Result<Value> {
    Value::parse(text).map_err(|error| damaged(error.rule).caused_by(error))
}

/// The number of JSON text that begins like one.
///
/// # Errors
/// As [`value`].
pub(super) fn number(text: &str) -> Result<Decimal> {
    Decimal::parse(text).map_err(|_| damaged("a number is none that a document may hold"))
}

/// The text of a JSON string, borrowed where nothing in it is escaped.
///
/// # Errors
/// As [`value`].
pub(super) fn string(text: &str) -> Result<Cow<'_, str>> {
    let plain = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match plain.filter(|plain| !plain.contains('\\')) {
        Some(plain) => Ok(Cow::Borrowed(plain)),
        None => match value(text)? {
            Value::String(text) => Ok(Cow::Owned(text)),
            other => Err(damaged("no string").with("found", other.type_name())),
        },
    }
}

fn damaged(rule: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, "aggregate", "a stored value is none that a document may hold")
        .with("rule", rule)
        .hint("find the record with a deep check of the store's health, and repair it")
}
