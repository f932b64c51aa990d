//! Stages that many pipelines need.

use async_trait::async_trait;
use repo_core::{Error, ErrorKind, Result, Value};

use super::stage::{Item, Processor, Validator};
use crate::storage_manager::Content;

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "validate", why)
}

/// Refuses content that is larger than so many bytes; JSON is counted as it is stored.
#[must_use]
pub fn max_bytes(most: usize) -> impl Validator {
    move |item: &Item| {
        let bytes = item.content.byte_len();
        if bytes <= most {
            return Ok(());
        }
        Err(refuse("the content is too large").with("bytes", bytes).with("limit", most))
    }
}

/// Refuses what is neither JSON nor text that can be read as JSON under the rules for
/// documents.
#[must_use]
pub fn json() -> impl Validator {
    |item: &Item| as_json(&item.content).map(|_| ())
}

/// Trims text, and makes it lower case. Other content stays as it is.
#[must_use]
pub fn normalize_text() -> impl Processor {
    |mut item: Item| {
        if let Content::Text(text) = &item.content {
            item.content = Content::Text(text.trim().to_lowercase());
        }
        Ok(item)
    }
}

fn as_json(content: &Content) -> Result<Value> {
    let parse = |text: &str| {
        Value::parse(text).map_err(|error| {
            refuse("the text is no JSON")
                .with("rule", error.rule)
                .with("pointer", error.pointer)
                .with("byte", error.offset)
        })
    };
    match content {
        Content::Json(value) => Ok(value.clone()),
        Content::Text(text) => parse(text),
        Content::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => parse(text),
            Err(_) => Err(refuse("the content is neither JSON nor text")),
        },
    }
}

/// Refuses what does not fit a JSON Schema of draft 2020-12. Text is read as JSON. Numbers
/// are compared as 64-bit integers or floats, as the schemas of collections are. A schema that
/// refers to another address is refused when it is built.
#[derive(Debug)]
pub struct JsonSchema(jsonschema::Validator);

impl JsonSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// `ConfigInvalid` for what is no schema.
    pub fn new(schema: &serde_json::Value) -> Result<Self> {
        jsonschema::draft202012::new(schema).map(Self).map_err(|error| {
            Error::new(ErrorKind::ConfigInvalid, "build a pipeline", "this is no JSON Schema")
                .with("pointer", error.instance_path())
                .with("reason", &error)
        })
    }
}

#[async_trait]
impl Validator for JsonSchema {
    async fn validate(&self, item: &Item) -> Result<()> {
        let value = as_json(&item.content)?.to_string();
        let value: serde_json::Value = serde_json::from_str(&value)
            .map_err(|error| refuse("the content is no JSON").caused_by(error))?;
        self.0.validate(&value).map_err(|error| {
            refuse("the content does not fit the schema")
                .with("pointer", error.instance_path())
                .with("reason", shortened(&error.to_string()))
        })
    }
}

/// A reason repeats the value that does not fit.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
