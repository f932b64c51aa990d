//! How the dialects look into a document, as expressions.
//!
//! A value in a document is named by what [`Dialect::value_at`] gives: in
//! SQLite its path, in PostgreSQL an expression. The other functions take that.

use crate::Dialect;
use crate::dialect::ColumnKind;
use crate::names::{literal, quote};

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

impl JsonType {
    /// What SQLite's `json_type` says.
    fn sqlite_names(self) -> &'static str {
        match self {
            Self::Null => "'null'",
            Self::True => "'true'",
            Self::False => "'false'",
            Self::Number => "'integer', 'real'",
            Self::Text => "'text'",
            Self::Array => "'array'",
            Self::Object => "'object'",
        }
    }

    /// A test of the `jsonb` value `at`.
    fn postgres_test(self, at: &str) -> String {
        let name = match self {
            Self::True => return format!("{at} = 'true'::jsonb"),
            Self::False => return format!("{at} = 'false'::jsonb"),
            Self::Null => "null",
            Self::Number => "number",
            Self::Text => "string",
            Self::Array => "array",
            Self::Object => "object",
        };
        format!("jsonb_typeof({at}) = '{name}'")
    }
}

impl Dialect {
    /// Whether the dialect can name the field at a path.
    ///
    /// SQLite before 3.45 compares the text of keys as it stands in the
    /// document, escapes and all, and knows no escapes in a path; newer
    /// versions decode both. A key with a character that JSON escapes cannot
    /// be named so that old and new versions agree, and an index on which they
    /// disagree would lose rows.
    pub(crate) fn can_name<'a>(self, steps: impl IntoIterator<Item = &'a str>) -> bool {
        let escaped = |c: char| matches!(c, '"' | '\\') || c < ' ';
        match self {
            Self::Sqlite => !steps.into_iter().any(|step| step.chars().any(escaped)),
            Self::Postgres => !steps.into_iter().any(|step| step.contains('\0')),
        }
    }

    /// How a statement names the value at a path that
    /// [`can_name`](Self::can_name). `text` makes a literal or a placeholder.
    pub(crate) fn value_at<'a>(
        self,
        steps: impl IntoIterator<Item = &'a str>,
        mut text: impl FnMut(&str) -> String,
    ) -> String {
        match self {
            Self::Sqlite => {
                let path: String = steps.into_iter().map(|step| format!(".\"{step}\"")).collect();
                text(&format!("${path}"))
            }
            // By key at each step: the operators that take a whole path would
            // go through arrays too.
            Self::Postgres => {
                let steps: String =
                    steps.into_iter().map(|step| format!(" -> {}::text", text(step))).collect();
                format!("(\"document\"{steps})")
            }
        }
    }

    /// An expression that is true when the value has one of `types`.
    pub(crate) fn has_type(self, at: &str, types: &[JsonType]) -> String {
        match self {
            Self::Sqlite => {
                let names: Vec<&str> = types.iter().map(|of| of.sqlite_names()).collect();
                match names.as_slice() {
                    [one] if !one.contains(',') => format!("json_type(\"document\", {at}) = {one}"),
                    names => format!("json_type(\"document\", {at}) IN ({})", names.join(", ")),
                }
            }
            Self::Postgres => {
                let parts: Vec<String> = types.iter().map(|of| of.postgres_test(at)).collect();
                match parts.as_slice() {
                    [one] => one.clone(),
                    parts => format!("({})", parts.join(" OR ")),
                }
            }
        }
    }

    /// An expression that is true when there is a value.
    pub(crate) fn is_there(self, at: &str) -> String {
        match self {
            Self::Sqlite => format!("json_type(\"document\", {at}) IS NOT NULL"),
            Self::Postgres => format!("{at} IS NOT NULL"),
        }
    }

    /// The value as the dialect shows it: SQLite text for a string and a
    /// number for a number, PostgreSQL `jsonb`.
    pub(crate) fn extract(self, at: &str) -> String {
        match self {
            Self::Sqlite => format!("json_extract(\"document\", {at})"),
            Self::Postgres => at.to_owned(),
        }
    }

    /// The value of a column of `kind`: NULL when the document holds a value
    /// of another type there.
    pub(crate) fn typed_value(self, kind: ColumnKind, at: &str) -> String {
        let (types, value): (&[JsonType], String) = match (self, kind) {
            (Self::Sqlite, ColumnKind::Boolean) => {
                return format!(
                    "CASE json_type(\"document\", {at}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
                );
            }
            (Self::Sqlite, ColumnKind::Text) => (&[JsonType::Text], self.extract(at)),
            (Self::Sqlite, ColumnKind::Integer | ColumnKind::Number) => {
                (&[JsonType::Number], self.extract(at))
            }
            (_, ColumnKind::Scalar) => (&[JsonType::Text, JsonType::Number], self.extract(at)),
            (Self::Postgres, ColumnKind::Text) => {
                (&[JsonType::Text], format!("({at} #>> '{{}}'::text[])"))
            }
            (Self::Postgres, ColumnKind::Integer | ColumnKind::Number) => {
                (&[JsonType::Number], format!("({at})::numeric"))
            }
            (Self::Postgres, ColumnKind::Boolean) => {
                (&[JsonType::True, JsonType::False], format!("({at})::boolean"))
            }
        };
        format!("CASE WHEN {} THEN {value} END", self.has_type(at, types))
    }

    /// A text expression, compared by its UTF-8 bytes.
    pub(crate) fn by_bytes(self, text: &str) -> String {
        match self {
            Self::Sqlite => text.to_owned(),
            Self::Postgres => format!("({text}) COLLATE \"C\""),
        }
    }

    /// An array or object for people: SQLite its JSON text, PostgreSQL `jsonb`.
    pub(crate) fn shown_json(self, json_type: JsonType, at: &str) -> String {
        format!("CASE WHEN {} THEN {} END", self.has_type(at, &[json_type]), self.extract(at))
    }

    /// Whether the text `value` holds the text `part`.
    pub(crate) fn holds_text(self, value: &str, part: &str) -> String {
        match self {
            Self::Sqlite => format!("instr({value}, {part}) > 0"),
            Self::Postgres => format!("strpos({}, {part}) > 0", self.by_bytes(value)),
        }
    }

    /// Whether the array holds the string `element`.
    pub(crate) fn array_holds_text(self, at: &str, element: &str) -> String {
        match self {
            Self::Sqlite => format!(
                "EXISTS (SELECT 1 FROM json_each(\"document\", {at}) AS \"element\" \
                 WHERE \"element\".\"type\" = 'text' AND \"element\".\"atom\" = {element})"
            ),
            Self::Postgres => format!("jsonb_exists({at}, {element})"),
        }
    }

    /// An expression that is true when `document` is an object of this id. It
    /// is a constraint of the table, against other tools.
    pub(crate) fn is_document(self, id_column: &str, id_field: &str) -> String {
        let nameable = self.can_name([id_field]);
        let at = || self.value_at([id_field], literal);
        let id = quote(id_column);
        match self {
            Self::Sqlite => {
                let has_id = if nameable {
                    format!("{} IS {id}", self.extract(&at()))
                } else {
                    "json_type(\"document\") IS 'object'".to_owned()
                };
                format!("(json_valid(\"document\") AND {has_id})")
            }
            Self::Postgres => {
                let text = self.typed_value(ColumnKind::Text, &at());
                format!(
                    "(jsonb_typeof(\"document\") = 'object' AND ({text}) IS NOT DISTINCT FROM {id})"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_hostile_keys_or_none() {
        let sqlite = |steps: &[&str]| Dialect::Sqlite.value_at(steps.iter().copied(), literal);
        assert_eq!(sqlite(&["a", "b c"]), "'$.\"a\".\"b c\"'");
        assert_eq!(sqlite(&["a[0]"]), "'$.\"a[0]\"'");
        assert_eq!(sqlite(&["it's"]), "'$.\"it''s\"'");
        assert!(!Dialect::Sqlite.can_name(["say \"x\""]));
        let postgres = |steps: &[&str]| Dialect::Postgres.value_at(steps.iter().copied(), literal);
        assert!(Dialect::Postgres.can_name(["say \"x\""]));
        assert_eq!(postgres(&["a", "it's"]), "(\"document\" -> 'a'::text -> 'it''s'::text)");
    }
}
