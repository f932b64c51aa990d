//! What differs between the SQL dialects, as plain facts.

use crate::layout::ColumnKind;
use crate::names::{COLLECTIONS_TABLE, OBJECTS_TABLE, literal, quote};

/// A kind of SQL database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// SQLite 3.31 or newer.
    Sqlite,
}

/// Which JSON types a value may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonType {
    Null,
    True,
    False,
    Number,
    Text,
    Array,
    Object,
}

impl Dialect {
    /// The placeholder of the value with this number, from 1.
    pub(crate) fn placeholder(self, number: usize) -> String {
        match self {
            Self::Sqlite => format!("?{number}"),
        }
    }

    /// The beginning of table names that the database keeps for itself.
    pub(crate) fn reserved_prefix(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite_",
        }
    }

    /// Statements that come before all others, outside a transaction.
    pub(crate) fn preamble(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["PRAGMA journal_mode = WAL"],
        }
    }

    /// The way to a field, for [`has_type`](Self::has_type) and the like.
    /// `None` when the dialect cannot name it.
    ///
    /// SQLite before 3.45 compares the text of keys as it stands in the
    /// document, escapes and all, and knows no escapes in a path; newer
    /// versions decode both. A key with a character that JSON escapes cannot
    /// be named so that old and new versions agree, and an index on which they
    /// disagree would lose rows.
    pub(crate) fn json_path<'a>(self, steps: impl Iterator<Item = &'a str>) -> Option<String> {
        match self {
            Self::Sqlite => {
                let mut path = String::from("$");
                for step in steps {
                    if step.chars().any(|c| matches!(c, '"' | '\\') || c < ' ') {
                        return None;
                    }
                    path.push_str(&format!(".\"{step}\""));
                }
                Some(path)
            }
        }
    }

    /// An expression that is true when the value at `path` has one of `types`.
    /// `path` is an expression: a literal or a placeholder.
    pub(crate) fn has_type(self, path: &str, types: &[JsonType]) -> String {
        match self {
            Self::Sqlite => {
                let names: Vec<&str> = types
                    .iter()
                    .map(|json_type| match json_type {
                        JsonType::Null => "'null'",
                        JsonType::True => "'true'",
                        JsonType::False => "'false'",
                        JsonType::Number => "'integer', 'real'",
                        JsonType::Text => "'text'",
                        JsonType::Array => "'array'",
                        JsonType::Object => "'object'",
                    })
                    .collect();
                match names.as_slice() {
                    [one] if !one.contains(',') => {
                        format!("json_type(\"document\", {path}) = {one}")
                    }
                    names => format!("json_type(\"document\", {path}) IN ({})", names.join(", ")),
                }
            }
        }
    }

    /// An expression that is true when there is a value at `path`.
    pub(crate) fn is_there(self, path: &str) -> String {
        match self {
            Self::Sqlite => format!("json_type(\"document\", {path}) IS NOT NULL"),
        }
    }

    /// The value at `path`: text for a string, a number for a number.
    pub(crate) fn extract(self, path: &str) -> String {
        match self {
            Self::Sqlite => format!("json_extract(\"document\", {path})"),
        }
    }

    /// Whether `value` is one of the texts in the JSON array `list`.
    pub(crate) fn in_texts(self, value: &str, list: &str) -> String {
        match self {
            Self::Sqlite => format!("{value} IN (SELECT \"value\" FROM json_each({list}))"),
        }
    }

    /// Whether the text `value` holds the text `part`.
    pub(crate) fn holds_text(self, value: &str, part: &str) -> String {
        match self {
            Self::Sqlite => format!("instr({value}, {part}) > 0"),
        }
    }

    /// Whether the array at `path` holds the string `element`.
    pub(crate) fn array_holds_text(self, path: &str, element: &str) -> String {
        match self {
            Self::Sqlite => format!(
                "EXISTS (SELECT 1 FROM json_each(\"document\", {path}) AS \"element\" \
                 WHERE \"element\".\"type\" = 'text' AND \"element\".\"atom\" = {element})"
            ),
        }
    }

    /// The type of a generated column; empty where the value keeps its own.
    pub(crate) fn column_type(self, kind: ColumnKind) -> &'static str {
        match (self, kind) {
            (Self::Sqlite, ColumnKind::Text) => " TEXT",
            (Self::Sqlite, ColumnKind::Integer) => " INTEGER",
            (Self::Sqlite, ColumnKind::Number) => " NUMERIC",
            (Self::Sqlite, ColumnKind::Boolean) => " BOOLEAN",
            // No type: any name that SQLite does not know would turn text that
            // looks like a number into one.
            (Self::Sqlite, ColumnKind::Scalar) => "",
        }
    }

    /// The value of a column of `kind` at `path`, a literal: NULL when the
    /// document holds a value of another type there.
    pub(crate) fn typed_value(self, kind: ColumnKind, path: &str) -> String {
        let types: &[JsonType] = match kind {
            ColumnKind::Text => &[JsonType::Text],
            ColumnKind::Integer | ColumnKind::Number => &[JsonType::Number],
            ColumnKind::Scalar => &[JsonType::Text, JsonType::Number],
            ColumnKind::Boolean => {
                return match self {
                    Self::Sqlite => format!(
                        "CASE json_type(\"document\", {path}) \
                         WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
                    ),
                };
            }
        };
        format!("CASE WHEN {} THEN {} END", self.has_type(path, types), self.extract(path))
    }

    /// The JSON text of an array or object at `path`, a literal.
    pub(crate) fn json_text(self, json_type: JsonType, path: &str) -> String {
        format!("CASE WHEN {} THEN {} END", self.has_type(path, &[json_type]), self.extract(path))
    }

    /// How a generated column is kept.
    pub(crate) fn generated(self) -> &'static str {
        match self {
            Self::Sqlite => "VIRTUAL",
        }
    }

    /// The fixed columns of a table of records after the id column.
    pub(crate) fn record_columns(self) -> [String; 4] {
        match self {
            Self::Sqlite => [
                "\"_version\" INTEGER NOT NULL".to_owned(),
                "\"_created_at\" INTEGER NOT NULL".to_owned(),
                "\"_updated_at\" INTEGER NOT NULL".to_owned(),
                "\"document\" TEXT".to_owned(),
            ],
        }
    }

    /// An expression that is true when `document` is an object of this id. It
    /// is a constraint of the table, against other tools.
    pub(crate) fn is_document(self, id_column: &str, id_path: Option<&str>) -> String {
        match self {
            Self::Sqlite => {
                let id = match id_path {
                    Some(path) => {
                        format!("{} IS {}", self.extract(&literal(path)), quote(id_column))
                    }
                    None => "json_type(\"document\") IS 'object'".to_owned(),
                };
                format!("(json_valid(\"document\") AND {id})")
            }
        }
    }

    /// A time column as RFC 3339 text with microseconds.
    pub(crate) fn time_text(self, column: &str) -> String {
        match self {
            Self::Sqlite => {
                let column = quote(column);
                // Also right before 1970, where `%` is negative.
                let micros = format!("(({column} % 1000000) + 1000000) % 1000000");
                format!(
                    "strftime('%Y-%m-%dT%H:%M:%S', ({column} - {micros}) / 1000000, 'unixepoch') \
                     || printf('.%06dZ', {micros})"
                )
            }
        }
    }

    /// The statement that notes the definitions of tables, indexes and views
    /// as the database keeps them, so that a change by another tool is seen.
    pub(crate) fn note_objects(self, collection: &str, names: &[&str]) -> String {
        match self {
            Self::Sqlite => {
                let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
                format!(
                    "INSERT INTO {} SELECT {}, \"type\", \"name\", \"sql\" \
                     FROM \"sqlite_master\" WHERE \"name\" IN ({})",
                    quote(OBJECTS_TABLE),
                    literal(collection),
                    names.join(", ")
                )
            }
        }
    }

    /// The statement that notes a collection.
    pub(crate) fn note_collection(self, collection: &str, schema_version: u32, id: &str) -> String {
        format!(
            "INSERT INTO {} VALUES ({}, {schema_version}, 0, {}) \
             ON CONFLICT (\"collection\") DO UPDATE \
             SET \"schema_version\" = excluded.\"schema_version\"",
            quote(COLLECTIONS_TABLE),
            literal(collection),
            literal(id)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_hostile_keys_or_none() {
        let path = |steps: &[&str]| Dialect::Sqlite.json_path(steps.iter().copied());
        assert_eq!(path(&["a", "b c"]).unwrap(), "$.\"a\".\"b c\"");
        assert_eq!(path(&["a[0]"]).unwrap(), "$.\"a[0]\"");
        assert_eq!(path(&["it's"]).unwrap(), "$.\"it's\"");
        assert_eq!(path(&["say \"x\""]), None);
    }
}
