//! What is stored.

use std::collections::BTreeMap;

use bytes::Bytes;
use repo_core::{Error, ErrorKind, Result, Value};
use serde::{Deserialize, Serialize};

/// What is kept beside content: names with JSON values.
pub type Metadata = BTreeMap<String, serde_json::Value>;

/// Content, in the form in which it comes back.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Bytes.
    Bytes(Bytes),
    /// Text.
    Text(String),
    /// JSON, with exact numbers.
    Json(Value),
}

/// The form of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Bytes.
    Bytes,
    /// Text.
    Text,
    /// JSON.
    Json,
}

impl Form {
    /// The content type, unless another is given.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Bytes => "application/octet-stream",
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json",
        }
    }
}

impl Content {
    /// JSON from its text.
    ///
    /// # Errors
    /// `Invalid` for what is no JSON, with the rule and its place.
    pub fn json(text: &str) -> Result<Self> {
        Value::parse(text).map(Self::Json).map_err(|error| {
            Error::new(ErrorKind::Invalid, "read JSON", error.rule.to_string())
                .with("pointer", &error.pointer)
                .with("byte", error.offset)
        })
    }

    /// Its form.
    #[must_use]
    pub fn form(&self) -> Form {
        match self {
            Self::Bytes(_) => Form::Bytes,
            Self::Text(_) => Form::Text,
            Self::Json(_) => Form::Json,
        }
    }

    /// How many bytes it has; JSON in its canonical form.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Text(text) => text.len(),
            Self::Json(value) => value.to_string().len(),
        }
    }

    /// The bytes that a blob holds; JSON in its canonical form.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Self::Json(value) => value.to_string().into(),
        }
    }

    /// The content of bytes that were kept in this form; `None` where they are not.
    pub(super) fn from_bytes(form: Form, bytes: Bytes) -> Option<Self> {
        match form {
            Form::Bytes => Some(Self::Bytes(bytes)),
            Form::Text => String::from_utf8(bytes.into()).ok().map(Self::Text),
            Form::Json => {
                let text = std::str::from_utf8(&bytes).ok()?;
                Value::parse(text).ok().map(Self::Json)
            }
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}
