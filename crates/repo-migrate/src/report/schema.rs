//! The JSON Schemas of what this library writes, generated from its types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use crate::Manifest;
use crate::MigrationReport;

/// The JSON Schema (2020-12) of a migration's report; `schemas/report.schema.json`.
#[must_use]
pub fn report_schema() -> Json {
    written::<MigrationReport>("Migration report")
}

/// The JSON Schema (2020-12) of an archive's manifest;
/// `schemas/archive-manifest.schema.json`.
#[must_use]
pub fn manifest_schema() -> Json {
    written::<Manifest>("Archive manifest")
}

/// As serde writes it: fields that are always there are required.
fn written<T: JsonSchema>(title: &str) -> Json {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}
