//! The view beside the table of a collection.

use repo_core::{CollectionSchema, Field, FieldKind, Result};

use super::column::Column;
use crate::Dialect;
use crate::dialect::ColumnKind;
use crate::expression::JsonType;
use crate::names::{Taken, literal, quote, shorten};

/// The view for people and other tools: live entities, a column for each
/// declared and each indexed field.
pub(super) fn view_definition(
    dialect: Dialect,
    schema: &CollectionSchema,
    view: &str,
    table: &str,
    columns: &[Column],
) -> Result<String> {
    let mut taken = Taken::default();
    let mut shown = vec![shown_column(dialect, schema.id_name())];
    taken.take(&shorten(schema.id_name()))?;
    for field in schema.fields.iter().filter(|field| field.name != schema.id_name()) {
        let Some(expression) = field_expression(dialect, field, columns) else { continue };
        let name = shorten(&field.name);
        taken.take(&name)?;
        shown.push(format!("{expression} AS {}", quote(&name)));
    }
    for column in columns {
        if !schema.fields.iter().any(|field| column.path.steps() == [field.name.as_str()]) {
            let name = column.path.to_string();
            taken.take(&shorten(&name))?;
            shown.push(shown_column(dialect, &name));
        }
    }
    for name in ["document", "_version", "_created_at", "_updated_at"] {
        taken.take(name)?;
    }
    shown.push("\"document\"".to_owned());
    shown.push("\"_version\"".to_owned());
    for time in ["_created_at", "_updated_at"] {
        shown.push(format!("{} AS {}", dialect.shown_time(time), quote(time)));
    }
    Ok(format!(
        "CREATE VIEW {} AS SELECT\n  {}\nFROM {} WHERE \"document\" IS NOT NULL",
        quote(view),
        shown.join(",\n  "),
        quote(table)
    ))
}

/// A column of the table in the view. A view may have any column name.
fn shown_column(dialect: Dialect, field: &str) -> String {
    let (column, name) = (dialect.column_name(field), shorten(field));
    if column == name { quote(&name) } else { format!("{} AS {}", quote(&column), quote(&name)) }
}

/// How the view shows a declared field; an indexed one by its column, so that
/// a filter on the view uses the index. `None` when no document can hold the
/// field or the dialect cannot name it.
fn field_expression(dialect: Dialect, field: &Field, columns: &[Column]) -> Option<String> {
    if field.name.is_empty() || field.name.contains('\0') {
        return None;
    }
    if !dialect.can_name([field.name.as_str()]) {
        return None;
    }
    let at = dialect.value_at([field.name.as_str()], literal);
    let scalar = |kind| Some(dialect.typed_value(kind, &at));
    let column = columns.iter().find(|column| column.path.steps() == [field.name.as_str()]);
    match (field.kind, column) {
        (FieldKind::Array, _) => Some(dialect.shown_json(JsonType::Array, &at)),
        (FieldKind::Object, _) => Some(dialect.shown_json(JsonType::Object, &at)),
        (_, Some(column)) => Some(quote(&column.name)),
        (FieldKind::Text, None) => scalar(ColumnKind::Text),
        (FieldKind::Integer, None) => scalar(ColumnKind::Integer),
        (FieldKind::Number, None) => scalar(ColumnKind::Number),
        (FieldKind::Boolean, None) => scalar(ColumnKind::Boolean),
        (FieldKind::Any, None) => Some(dialect.extract(&at)),
    }
}
