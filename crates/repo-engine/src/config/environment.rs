//! The environment: a layer of its own, and what fills `${NAME}`.

use repo_core::Result;
use serde_json::{Map, Value as Json};

use super::refusal::refuse;
use super::{Section, schema};

/// How variables begin that choose and set up the store.
pub(super) const STORAGE: &str = "REPO_STORAGE__";

/// The values of `REPO_STORAGE__…` and, for a section `migration`,
/// `REPO_MIGRATION__…`. A value has the type that the schema gives its place, so
/// that a password of digits stays text.
pub(super) fn layer(
    environment: &[(String, String)],
    schema: &Json,
    sections: &[Section],
) -> Result<Json> {
    let of_section = |section: &Section| format!("REPO_{}__", section.name().to_uppercase());
    let mut beginnings = vec![STORAGE.to_owned()];
    beginnings.extend(sections.iter().map(of_section));
    let mut root = Json::Object(Map::new());
    for (name, text) in environment {
        if !beginnings.iter().any(|beginning| name.starts_with(beginning)) {
            continue;
        }
        let path: Vec<String> = name["REPO_".len()..].split("__").map(str::to_lowercase).collect();
        let value = typed(text, schema::type_at(schema, &path)).ok_or_else(|| {
            refuse("an environment variable has a value of the wrong type").with("variable", name)
        })?;
        insert(&mut root, &path, value);
    }
    Ok(root)
}

fn typed(text: &str, kind: Option<&str>) -> Option<Json> {
    match kind {
        Some("integer" | "number" | "boolean" | "object" | "array") => {
            serde_json::from_str(text).ok()
        }
        _ => Some(Json::String(text.to_owned())),
    }
}

fn insert(node: &mut Json, path: &[String], value: Json) {
    let Some((step, rest)) = path.split_first() else {
        *node = value;
        return;
    };
    if !node.is_object() {
        *node = Json::Object(Map::new());
    }
    if let Json::Object(fields) = node {
        insert(fields.entry(step.clone()).or_insert(Json::Null), rest, value);
    }
}

/// Fills every `${NAME}` in the strings below `value`; `$${` stands for `${`.
pub(super) fn fill(value: &mut Json, at: &str, environment: &[(String, String)]) -> Result<()> {
    match value {
        Json::String(text) if text.contains("${") => {
            *text = fill_text(text, at, environment)?;
        }
        Json::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                fill(item, &format!("{at}.{index}"), environment)?;
            }
        }
        Json::Object(fields) => {
            for (key, field) in fields {
                fill(field, &format!("{at}.{key}"), environment)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn fill_text(text: &str, at: &str, environment: &[(String, String)]) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if let Some(before) = rest[..start].strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        out.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        let Some(end) = inner.find('}') else {
            return Err(refuse("`${` without a closing `}`").with("at", at));
        };
        let name = &inner[..end];
        let Some((_, value)) = environment.iter().find(|(known, _)| known == name) else {
            return Err(refuse("an environment variable is not set")
                .with("variable", name)
                .with("at", at)
                .hint(format!("set {name}, or write $${{ where ${{ is meant")));
        };
        out.push_str(value);
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}
