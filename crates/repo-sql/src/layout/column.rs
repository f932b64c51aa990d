//! The generated columns of indexed fields.

use repo_core::{CollectionSchema, FieldKind, FieldPath};

use crate::Dialect;
use crate::dialect::ColumnKind;
use crate::names::{literal, quote};

/// A generated column for an indexed field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) path: FieldPath,
    pub(crate) kind: ColumnKind,
    /// As it stands in CREATE TABLE.
    pub(crate) definition: String,
}

/// One generated column for each indexed field; none for the id field, which
/// has a column of its own, nor for a field that the dialect cannot name.
pub(super) fn columns(dialect: Dialect, schema: &CollectionSchema) -> Vec<Column> {
    schema
        .indexed_fields()
        .filter(|path| **path != schema.id_field)
        .filter(|path| dialect.can_name(steps(path)))
        .map(|path| {
            let at = dialect.value_at(steps(path), literal);
            let kind = column_kind(schema, path);
            let name = dialect.column_name(&path.to_string());
            let definition = format!(
                "{}{} GENERATED ALWAYS AS ({}) {}",
                quote(&name),
                dialect.column_type(kind),
                dialect.typed_value(kind, &at),
                dialect.generated()
            );
            Column { name, path: path.clone(), kind, definition }
        })
        .collect()
}

fn steps(path: &FieldPath) -> impl Iterator<Item = &str> {
    path.steps().iter().map(String::as_str)
}

fn column_kind(schema: &CollectionSchema, path: &FieldPath) -> ColumnKind {
    let declared = match path.steps() {
        [name] => schema.fields.iter().find(|field| field.name == *name),
        _ => None,
    };
    match declared.map(|field| field.kind) {
        Some(FieldKind::Text) => ColumnKind::Text,
        Some(FieldKind::Integer) => ColumnKind::Integer,
        Some(FieldKind::Number) => ColumnKind::Number,
        Some(FieldKind::Boolean) => ColumnKind::Boolean,
        _ => ColumnKind::Scalar,
    }
}
