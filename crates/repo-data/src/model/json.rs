//! JSON of a caller, kept as it came.

use std::collections::BTreeMap;
use std::fmt;

use repo_core::{Error, ErrorKind, Result, Value};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A JSON value as text, with every digit of its numbers. Two are equal when they are equal as
/// JSON.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

/// Fields of a caller that the service does not know, by their names.
pub type Fields = BTreeMap<String, Json>;

impl Json {
    /// Checks and keeps a value.
    ///
    /// # Errors
    /// `Invalid` for text that breaks a rule of documents: no JSON, more than 31 levels, a key
    /// twice, a number with more than 38 digits, U+0000.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = || Error::new(ErrorKind::Invalid, "read a value", "this cannot be kept");
        Value::parse(text).map_err(|source| {
            refuse().with("rule", source.rule).with("pointer", &source.pointer).caused_by(source)
        })?;
        RawValue::from_string(text.trim().to_owned())
            .map(Self)
            .map_err(|source| refuse().caused_by(source))
    }

    /// The value of something that serde can serialise.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_serialize(value: &impl Serialize) -> Result<Self> {
        let text = serde_json::to_string(value).map_err(|source| {
            let why = "serde refused the value";
            Error::new(ErrorKind::Invalid, "read a value", why).caused_by(source)
        })?;
        Self::parse(&text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The parsed form, made anew at each call.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // It was checked when it was made, or with the document it was read from.
        Value::parse(self.as_str()).unwrap_or(Value::Null)
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.as_str().starts_with('{')
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str() || self.to_value() == other.to_value()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// For a field whose null means something.
pub(super) fn also_null<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_is_kept() {
        let text = "[1.10,12345678901234567890123]";
        assert_eq!(Json::parse(text).unwrap().as_str(), text);
        assert_eq!(Json::parse("1.0").unwrap(), Json::parse("1").unwrap());
        for hostile in ["", "{", "nul", "{\"a\":1,\"a\":2}", "\"\\u0000\"", "1 2"] {
            assert_eq!(Json::parse(hostile).unwrap_err().kind(), ErrorKind::Invalid, "{hostile}");
        }
        let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
        assert!(Json::parse(&deep).is_err());
    }
}
