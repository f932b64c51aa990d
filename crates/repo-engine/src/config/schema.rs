//! The JSON Schema of the configuration, generated from the types.

use repo_core::strategy::Registry;
use serde_json::{Map, Value as Json, json};

use super::of_type::schema_of;
use super::{Section, StorageConfig};

/// The JSON Schema (2020-12) of a configuration with the strategies of a
/// registry and the sections that a program knows.
#[must_use]
pub fn config_schema(registry: &Registry, sections: &[Section]) -> Json {
    let mut storage = schema_of::<StorageConfig>();
    if let Some(properties) = properties_mut(&mut storage) {
        for factory in registry.iter() {
            properties.insert(factory.settings_key().to_owned(), factory.settings_schema());
        }
        let names: Vec<&str> = registry.iter().map(|factory| factory.name()).collect();
        if let Some(Json::Object(strategy)) = properties.get_mut("strategy") {
            strategy.insert("enum".to_owned(), json!(names));
        }
    }
    let mut properties = Map::new();
    properties.insert("$schema".to_owned(), json!({ "type": "string" }));
    properties.insert("storage".to_owned(), storage);
    for section in sections {
        properties.insert(section.name().to_owned(), section.schema());
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Repository configuration",
        "description": "Other top-level sections are ignored.",
        "type": "object",
        "properties": properties,
    })
}

fn properties_mut(schema: &mut Json) -> Option<&mut Map<String, Json>> {
    schema.get_mut("properties")?.as_object_mut()
}

/// The JSON type that the schema gives the value at `path`; `None` when the
/// path is unknown or has no single type.
pub(super) fn type_at<'a>(schema: &'a Json, path: &[String]) -> Option<&'a str> {
    let node = path.iter().try_fold(schema, |node, step| {
        let found = node.get("properties").and_then(|properties| properties.get(step));
        resolve(schema, found.or_else(|| node.get("additionalProperties"))?)
    })?;
    match node.get("type")? {
        Json::String(one) => Some(one),
        Json::Array(many) => many.iter().filter_map(Json::as_str).find(|name| *name != "null"),
        _ => None,
    }
}

/// Follows `$ref` within a strategy's block, whose definitions stand in it.
fn resolve<'a>(root: &'a Json, node: &'a Json) -> Option<&'a Json> {
    let Some(Json::String(reference)) = node.get("$ref") else { return Some(node) };
    let name = reference.strip_prefix("#/$defs/")?;
    let blocks = root.pointer("/properties/storage/properties")?.as_object()?;
    blocks.values().find_map(|block| block.get("$defs")?.get(name))
}
