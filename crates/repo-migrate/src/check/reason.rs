//! Why a record cannot be moved, in words.

use repo_core::{CollectionSchema, Entity, Error};

/// The rule of a store with this limit that an entity breaks.
pub(crate) fn breaks(
    schema: &CollectionSchema,
    entity: &Entity,
    max_entity_bytes: usize,
) -> Option<String> {
    let checked = schema.check_document(&entity.id, &entity.document, max_entity_bytes);
    checked.err().map(|error| rule_of(&error))
}

/// Why a record cannot be read, and where it stands.
pub(crate) fn reason_of(error: &Error) -> String {
    match (error.context_value("reason"), error.context_value("column")) {
        (Some(reason), Some(column)) => format!("{}: {column}: {reason}", error.message()),
        (Some(reason), None) => format!("{}: {reason}", error.message()),
        (None, _) => named(rule_of(error), error, &["file", "line", "byte"]),
    }
}

/// The rule that a document breaks, its place and, where it is a limit, by how
/// much.
pub(crate) fn rule_of(error: &Error) -> String {
    let names = ["rule", "pointer", "bytes", "limit", "upgrade", "reason"];
    named(error.message().to_owned(), error, &names)
}

/// Adds what the error's context says under some names.
fn named(mut words: String, error: &Error, names: &[&str]) -> String {
    for name in names {
        if let Some(value) = error.context_value(name) {
            words.push_str(&format!(", {name} \"{value}\""));
        }
    }
    words
}
