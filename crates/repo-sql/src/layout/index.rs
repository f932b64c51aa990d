//! The declared indexes.

use repo_core::strategy::MAX_INDEXED_TEXT_BYTES;
use repo_core::{CollectionName, CollectionSchema, FieldPath};

use super::column::Column;
use crate::Dialect;
use crate::dialect::ColumnKind;
use crate::names::{quote, shorten, with_hash};

/// An index, with the statement that makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: String,
    /// Its columns, quoted, in their order.
    pub(crate) keys: Vec<String>,
    pub(crate) definition: String,
}

/// The declared indexes. The id stands last in each that has room for it, so
/// that an equality gives the ids in order and the next page begins after the
/// last one without a sort. In PostgreSQL an entry has a limit, and an insert
/// beyond it fails: an index has as many of its declared columns there as always
/// fit, which leaves out a third text field.
pub(super) fn indexes(
    dialect: Dialect,
    schema: &CollectionSchema,
    table: &str,
    id_column: &str,
    columns: &[Column],
) -> Vec<Index> {
    let mut indexes: Vec<Index> = Vec::new();
    for fields in &schema.indexes {
        // The primary key is an index on the id field already.
        if fields.as_slice() == std::slice::from_ref(&schema.id_field) {
            continue;
        }
        let column_of = |path: &FieldPath| match columns.iter().find(|c| c.path == *path) {
            Some(column) => Some((quote(&column.name), entry_bytes(Some(column.kind)))),
            None => (*path == schema.id_field).then(|| (quote(id_column), entry_bytes(None))),
        };
        let Some(mut keys) = fields.iter().map(column_of).collect::<Option<Vec<_>>>() else {
            continue;
        };
        if !fields.contains(&schema.id_field) {
            keys.push((quote(id_column), entry_bytes(None)));
        }
        let names = that_fit(keys, dialect.max_index_entry());
        let name = index_name(&schema.collection, fields);
        let definition =
            format!("CREATE INDEX {} ON {} ({})", quote(&name), quote(table), names.join(", "));
        if indexes.iter().all(|index| index.name != name) {
            indexes.push(Index { name, keys: names, definition });
        }
    }
    indexes
}

/// The most that a value takes in an index; `None`: an id.
fn entry_bytes(kind: Option<ColumnKind>) -> usize {
    match kind {
        Some(ColumnKind::Boolean) => 8,
        Some(ColumnKind::Integer | ColumnKind::Number) => 40,
        Some(ColumnKind::Text | ColumnKind::Scalar) => MAX_INDEXED_TEXT_BYTES + 24,
        // 255 characters of four bytes.
        None => 255 * 4 + 8,
    }
}

/// The first keys, as many as an entry can always hold.
fn that_fit(keys: Vec<(String, usize)>, limit: Option<usize>) -> Vec<String> {
    let mut room = limit.unwrap_or(usize::MAX);
    let mut fits = |bytes: usize| {
        let left = room.checked_sub(bytes);
        room = left.unwrap_or(0);
        left.is_some()
    };
    keys.into_iter().take_while(|(_, bytes)| fits(*bytes)).map(|(name, _)| name).collect()
}

/// `machines-template_id-created_at-index`. The hyphens keep it apart from
/// every table and view; a field that holds one itself gets a hash.
fn index_name(collection: &CollectionName, fields: &[FieldPath]) -> String {
    let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
    let name = format!("{collection}-{}-index", fields.join("-"));
    if fields.iter().any(|field| field.contains('-')) {
        return with_hash(&name, &fields.join("\0"));
    }
    shorten(&name)
}
