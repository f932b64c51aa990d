//! What a section's type says of it.

use repo_core::Result;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value as Json;

use super::refusal::refuse;

/// Its JSON Schema, without references.
pub(super) fn schema_of<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The names of a type's fields.
pub(super) fn property_names<T: JsonSchema>() -> Vec<String> {
    let schema = schema_of::<T>();
    let properties = schema.get("properties").and_then(Json::as_object);
    properties.map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
}

/// A type's defaults as a layer.
pub(super) fn defaults<T: Default + Serialize>() -> Result<Json> {
    serde_json::to_value(T::default()).map_err(|source| {
        refuse("the defaults of a section cannot be written as JSON")
            .with("reason", &source)
            .caused_by(source)
    })
}
