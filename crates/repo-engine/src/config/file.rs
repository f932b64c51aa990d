//! The layers that figment merges: named, so that each value's origin is known.

use std::path::Path;

use figment::value::{Dict, Map};
use figment::{Metadata, Profile, Provider};
use repo_core::{Result, Rule, Value};
use serde_json::{Value as Json, json};

use super::refusal::refuse;

/// One layer of values under a name for people.
#[derive(Debug)]
pub(super) struct Layer {
    name: String,
    values: Json,
}

impl Layer {
    pub(super) fn new(name: impl Into<String>, values: Json) -> Self {
        Self { name: name.into(), values }
    }

    /// A layer with one value under a dotted path.
    pub(super) fn nested(name: impl Into<String>, path: &str, value: Json) -> Self {
        let values = path.rsplit('.').fold(value, |inner, step| json!({ step: inner }));
        Self::new(name, values)
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> std::result::Result<Map<Profile, Dict>, figment::Error> {
        figment::providers::Serialized::defaults(&self.values).data()
    }
}

/// Reads a configuration file.
pub(super) fn read(path: &Path) -> Result<Layer> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| {
        refuse("the configuration file cannot be read")
            .with("file", &name)
            .with("reason", &source)
            .caused_by(source)
            .hint("name another one with --config")
    })?;
    refuse_duplicate_keys(&text).map_err(|error| error.with("file", &name))?;
    let values: Json = serde_json::from_str(&text).map_err(|source| {
        refuse("the configuration file is not JSON")
            .with("file", &name)
            .with("reason", &source)
            .caused_by(source)
    })?;
    if !values.is_object() {
        return Err(refuse("a configuration is a JSON object").with("file", &name));
    }
    Ok(Layer::new(name, values))
}

/// Of two equal keys a reader of JSON silently takes one.
fn refuse_duplicate_keys(text: &str) -> Result<()> {
    match Value::parse(text) {
        Err(error) if error.rule == Rule::DuplicateKey => {
            Err(refuse("a key stands twice").with("at", error.pointer).with("byte", error.offset))
        }
        _ => Ok(()),
    }
}
