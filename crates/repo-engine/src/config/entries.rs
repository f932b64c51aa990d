//! What `config show` prints: every value with its origin.

use figment::Figment;
use repo_core::strategy::is_secret;
use serde::Serialize;
use serde_json::Value as Json;

/// One value of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfigEntry {
    /// Its dotted path.
    pub path: String,
    /// The value as written; `"***"` for a secret.
    pub value: Json,
    /// The layer it came from: `default`, the file, `environment` or
    /// `command line`.
    pub origin: String,
}

/// In place of a value that is not shown.
const HIDDEN: &str = "***";

/// The leaves of the sections, by path; of one that is not read as a whole those that are read.
pub(super) fn collect<'a>(
    figment: &Figment,
    schema: &Json,
    sections: impl Iterator<Item = (&'a str, bool)>,
) -> Vec<ConfigEntry> {
    let mut entries = Vec::new();
    for (section, whole) in sections {
        let given: Json = figment
            .find_value(section)
            .map_or(Json::Null, |value| value.deserialize().unwrap_or(Json::Null));
        leaves(section, &given, &mut |path, value| {
            if !whole && (path == section || !is_known(schema, path)) {
                return;
            }
            let origin = figment.find_metadata(path).map_or("default", |found| &*found.name);
            entries.push(ConfigEntry {
                path: path.to_owned(),
                // What stands under a name that nobody knows may be anything.
                value: if is_known(schema, path) { hide(path, value) } else { HIDDEN.into() },
                origin: origin.to_owned(),
            });
        });
        if let Json::Object(blocks) = &given {
            for (key, block) in blocks.iter().filter(|(key, _)| key.ends_with("_strategy")) {
                block_defaults(schema, key, block, &mut entries);
            }
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}

/// The settings that a strategy's block leaves at their defaults.
fn block_defaults(schema: &Json, key: &str, block: &Json, entries: &mut Vec<ConfigEntry>) {
    let at = format!("/properties/storage/properties/{key}/properties");
    let Some(properties) = schema.pointer(&at).and_then(Json::as_object) else { return };
    for (name, property) in properties {
        if block.get(name).is_some() {
            continue;
        }
        let Some(default) = property.get("default") else { continue };
        let path = format!("storage.{key}.{name}");
        leaves(&path, default, &mut |path, value| {
            entries.push(ConfigEntry {
                path: path.to_owned(),
                value: hide(path, value),
                origin: "default".to_owned(),
            });
        });
    }
}

/// Whether the schema has the setting at a dotted path. Below a setting that
/// takes names of the operator's own, everything is known.
fn is_known(schema: &Json, path: &str) -> bool {
    let mut node = schema;
    for name in path.split('.') {
        let Some(properties) = node.get("properties") else {
            return node.get("additionalProperties") != Some(&Json::Bool(false));
        };
        let Some(next) = properties.get(name) else { return false };
        node = next;
    }
    true
}

fn leaves(path: &str, value: &Json, visit: &mut impl FnMut(&str, &Json)) {
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            for (key, field) in fields {
                leaves(&format!("{path}.{key}"), field, visit);
            }
        }
        leaf => visit(path, leaf),
    }
}

/// A secret is shown only where it is a `${NAME}` to be filled.
pub(super) fn hide(path: &str, value: &Json) -> Json {
    let secret = is_secret(path.rsplit('.').next().unwrap_or(path));
    match value.as_str() {
        Some(text) if secret && !text.is_empty() && !is_reference(text) => HIDDEN.into(),
        Some(text) => hide_user_info(text).into(),
        None if secret && !value.is_null() => HIDDEN.into(),
        None => value.clone(),
    }
}

fn is_reference(text: &str) -> bool {
    text.starts_with("${") && text.find('}') == Some(text.len() - 1)
}

/// Hides the password in `scheme://user:password@host`.
fn hide_user_info(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    match rest[..authority_end].rfind('@') {
        Some(at) => format!("{scheme}://***{}", &rest[at..]),
        None => text.to_owned(),
    }
}
