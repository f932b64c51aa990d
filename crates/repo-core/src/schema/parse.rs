//! Reading a collection's JSON Schema file.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value as Json;

use super::{CollectionSchema, Field, FieldKind};
use crate::strategy::plain_reason;
use crate::{CollectionName, Error, ErrorKind, Result};

/// The `x-repository` block.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Block {
    collection: CollectionName,
    id_field: String,
    #[serde(default)]
    indexes: Vec<Vec<String>>,
    #[serde(default)]
    references: BTreeMap<String, CollectionName>,
    #[serde(default = "one")]
    schema_version: u32,
    table: Option<String>,
    ttl_field: Option<String>,
    #[serde(default)]
    enforce_references: bool,
    /// Read apart, with exact numbers.
    #[serde(default, rename = "upgrades")]
    _upgrades: serde::de::IgnoredAny,
    /// The same.
    #[serde(default, rename = "source")]
    _source: serde::de::IgnoredAny,
}

fn one() -> u32 {
    1
}

impl CollectionSchema {
    /// Reads a JSON Schema (2020-12) with an `x-repository` block. Whether the rest
    /// of it is one is checked by who compiles it: `repo_layers::check_schemas`.
    ///
    /// # Errors
    /// `ConfigInvalid` when it is not one.
    pub fn parse(text: &str) -> Result<Self> {
        let schema: Json = serde_json::from_str(text)
            .map_err(|source| refuse("not JSON").with("reason", &source).caused_by(source))?;
        let block = schema.get("x-repository").cloned().ok_or_else(|| {
            refuse("the x-repository block is missing")
                .hint("add \"x-repository\": {\"collection\": …, \"idField\": …}")
        })?;
        let block: Block = serde_json::from_value(block).map_err(|source| {
            refuse("the x-repository block is malformed")
                .with("reason", plain_reason(&source))
                .caused_by(source)
        })?;
        build(block, schema, text)
    }
}

fn build(block: Block, schema: Json, text: &str) -> Result<CollectionSchema> {
    let named = |error: Error| error.with("collection", &block.collection);
    let mut builder = CollectionSchema::builder(block.collection.as_str(), &block.id_field)
        .schema_version(block.schema_version);
    for index in &block.indexes {
        builder = builder.index(&index.iter().map(String::as_str).collect::<Vec<_>>());
    }
    for (field, target) in &block.references {
        builder = builder.reference(field, target.as_str());
    }
    if block.enforce_references {
        builder = builder.enforce_references();
    }
    if let Some(table) = &block.table {
        builder = builder.table(table);
    }
    if let Some(field) = &block.ttl_field {
        builder = builder.ttl_field(field);
    }
    for field in fields(&schema) {
        builder = builder.field(&field.name, field.kind, field.nullable);
    }
    let declared = builder.build()?;
    let id_field = &declared.id_field;
    let upgrades = super::upgrade::declared(text, id_field, block.schema_version).map_err(named)?;
    let sources = super::source::declared(text).map_err(named)?;
    Ok(CollectionSchema { sources, json_schema: Some(Arc::new(schema)), upgrades, ..declared })
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "read a collection schema", why)
}

/// The declared properties at the top.
fn fields(schema: &Json) -> Vec<Field> {
    let Some(Json::Object(properties)) = schema.get("properties") else { return Vec::new() };
    properties
        .iter()
        .map(|(name, property)| {
            let types: Vec<&str> = match property.get("type") {
                Some(Json::String(one)) => vec![one],
                Some(Json::Array(many)) => many.iter().filter_map(Json::as_str).collect(),
                _ => Vec::new(),
            };
            let nullable = types.is_empty() || types.contains(&"null");
            let mut others = types.into_iter().filter(|name| *name != "null");
            let kind = match (others.next(), others.next()) {
                (Some("string"), None) => FieldKind::Text,
                (Some("integer"), None) => FieldKind::Integer,
                (Some("number"), None) => FieldKind::Number,
                (Some("boolean"), None) => FieldKind::Boolean,
                (Some("array"), None) => FieldKind::Array,
                (Some("object"), None) => FieldKind::Object,
                _ => FieldKind::Any,
            };
            Field { name: name.clone(), kind, nullable }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CollectionName;

    fn parse(members: &str) -> Result<CollectionSchema> {
        CollectionSchema::parse(&format!(
            r#"{{"type": "object",
                "x-repository": {{"collection": "machines", "idField": "id"{members}}}}}"#
        ))
    }

    #[test]
    fn a_schema_may_name_the_field_with_the_time_to_live() {
        let declared = |name: &str, kind: &str| {
            CollectionSchema::parse(&format!(
                r#"{{"properties": {{"id": {{"type": "string"}}, "expires_at": {{"type": {kind}}}}},
                    "x-repository": {{"collection": "sessions", "idField": "id", "ttlField": {name}}}}}"#
            ))
        };
        assert_eq!(parse("").unwrap().expiry, None);
        for kind in [r#""string""#, r#""integer""#, r#""number""#, r#"["string", "null"]"#] {
            let schema = declared(r#""expires_at""#, kind).unwrap();
            assert_eq!(schema.expiry.unwrap().field().to_string(), "expires_at");
        }
        let refused = |name: &str, kind: &str, part: &str| {
            let error = declared(name, kind).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
            let words = format!("{error} {:?}", error.hint_text());
            assert!(words.contains(part), "{words}");
        };
        let text = r#""string""#;
        refused(r#""expired_at""#, text, "expires_at");
        refused(r#""until""#, text, "does not declare");
        refused(r#""""#, text, "path");
        refused(r#""meta.until""#, text, "at the top");
        refused(r#""id""#, text, "the id");
        refused("7", text, "malformed");
        for kind in [r#""boolean""#, r#""array""#, r#""object""#, r#"["string", "integer"]"#] {
            refused(r#""expires_at""#, kind, "not declared to hold a time");
        }
    }

    #[test]
    fn a_schema_may_name_the_table_of_another_program() {
        assert_eq!(parse("").unwrap().existing_table(), "machines");
        let schema = parse(r#", "table": "Host \"Table\"""#).unwrap();
        assert_eq!(schema.existing_table(), "Host \"Table\"");
        let machines = CollectionName::new("machines").unwrap();
        assert_eq!(CollectionSchema::undeclared(machines).existing_table(), "machines");
        for table in [r#", "table": """#, r#", "table": "a\u0000b""#, r#", "table": 7"#] {
            let error = parse(table).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
        }
    }
    #[test]
    fn references_are_enforced_where_the_schema_says_so() {
        let referring = r#", "references": {"request_id": "requests"}"#;
        assert!(!parse("").unwrap().enforce_references);
        assert!(!parse(referring).unwrap().enforce_references);
        let enforced = parse(&format!(r#"{referring}, "enforceReferences": true"#)).unwrap();
        assert!(enforced.enforce_references);
        for bad in [
            r#", "enforceReferences": true"#.to_owned(),
            r#", "references": {}, "enforceReferences": true"#.to_owned(),
            format!(r#"{referring}, "enforceReferences": "yes""#),
            format!(r#"{referring}, "enforce_references": true"#),
            r#", "references": {"request_id": "Requests"}, "enforceReferences": true"#.to_owned(),
            r#", "references": {"a..b": "requests"}, "enforceReferences": true"#.to_owned(),
        ] {
            let error = parse(&bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{bad}: {error}");
        }
    }
}
