//! Validation of documents against a collection's JSON Schema.

use serde_json::Value as Json;

use super::CollectionSchema;
use crate::{Document, Error, ErrorKind, Result};

/// A compiled JSON Schema of one collection.
#[derive(Debug)]
pub struct DocumentValidator(Option<jsonschema::Validator>);

impl DocumentValidator {
    /// Compiles the schema; a collection without one accepts everything.
    ///
    /// # Errors
    /// `ConfigInvalid` when it is not a JSON Schema of draft 2020-12.
    pub fn new(schema: &CollectionSchema) -> Result<Self> {
        schema.json_schema.as_deref().map(compile).transpose().map(Self)
    }

    /// Checks a document. Numbers are compared as 64-bit integers or floats,
    /// which is as exact as JSON Schema's keywords need.
    ///
    /// # Errors
    /// `Invalid` with the JSON Pointer of the first place that does not fit.
    pub fn check(&self, document: &Document) -> Result<()> {
        let Some(validator) = &self.0 else { return Ok(()) };
        let value: Json = document.deserialize()?;
        validator.validate(&value).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                "validate a document",
                "the document does not fit its collection's schema",
            )
            .with("pointer", error.instance_path())
            .with("reason", &error)
        })
    }
}

/// Compiles a JSON Schema.
pub(super) fn compile(schema: &Json) -> Result<jsonschema::Validator> {
    jsonschema::draft202012::new(schema).map_err(|error| {
        Error::new(ErrorKind::ConfigInvalid, "read a collection schema", "not a JSON Schema")
            .with("pointer", error.instance_path())
            .with("reason", &error)
    })
}
