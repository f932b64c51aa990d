//! A table of another program, and how each of its columns is read as a field.

use std::fmt;
use std::sync::Arc;

use repo_core::strategy::RESERVED_KEYS;
use repo_core::{CollectionSchema, Field, FieldKind};
use serde_json::Value as Json;

/// What the catalog of a database says of a table.
#[derive(Debug)]
pub(crate) struct FoundTable {
    pub(crate) name: String,
    /// Why it cannot be read, if that is known from what it is: a view.
    pub(crate) obstacle: Option<&'static str>,
    /// In the order of the table.
    pub(crate) columns: Vec<FoundColumn>,
}

/// What the catalog says of a column.
#[derive(Debug, Clone)]
pub(crate) struct FoundColumn {
    pub(crate) name: String,
    /// The type as the database writes it, for messages.
    pub(crate) sql_type: String,
    pub(crate) kind: SqlKind,
    pub(crate) not_null: bool,
    /// Whether a primary key or unique index of this column alone says that no
    /// value stands twice.
    pub(crate) unique: bool,
    /// Why the column cannot hold ids, if that is known from its type.
    pub(crate) no_ids: bool,
}

/// What a column holds by its type, as far as that decides what becomes of a
/// value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SqlKind {
    /// The value itself, or its text.
    Plain,
    /// Numbers.
    Number,
    /// Truth values; in SQLite 0 and 1.
    Boolean,
    /// A day with a time.
    Time,
    /// JSON.
    Json,
    /// Arrays and rows, which have a form in JSON.
    Structure,
    /// Bytes, which have none.
    Bytes,
}

/// A table as one collection.
pub(crate) struct Table {
    pub(crate) schema: CollectionSchema,
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    /// The place of the id among the columns.
    pub(crate) id: usize,
    /// Whether the database itself keeps ids from being NULL.
    pub(crate) every_row_has_an_id: bool,
    pub(crate) statements: Statements,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Table").field(&self.name).finish()
    }
}

/// The statements of one table, made once. The first column of a row says where
/// it is, the others are those of the table. An id is the first value, a number
/// of rows the last one.
#[derive(Debug, Clone)]
pub(crate) struct Statements {
    /// The first rows in the order of ids.
    pub(crate) first: Arc<str>,
    /// The rows behind an id.
    pub(crate) next: Arc<str>,
    /// The rows of a list of ids.
    pub(crate) get: Arc<str>,
    pub(crate) count: Arc<str>,
    /// Where a row without an id is.
    pub(crate) without_id: Arc<str>,
}

/// A column and the field that it becomes.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) sql_type: String,
    pub(crate) kind: SqlKind,
    /// The name of the field.
    pub(crate) field: String,
    /// The same as JSON, with its colon.
    pub(crate) key: String,
    pub(crate) reading: Reading,
    /// Whether NULL is `null`; otherwise the field is left out.
    pub(crate) nullable: bool,
}

/// What the collection's schema makes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A string.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An array or object: text is JSON.
    Structure,
    /// Several types, a string among them: the database's own type decides.
    /// Where an array or object is allowed too, text that is one is read so.
    Several {
        /// Whether it may be an array or object.
        structures: bool,
    },
    /// The schema does not know the field: the database's own type decides.
    AsStored,
}

impl Table {
    /// Reads a table as the collection of `schema`; `statements` writes the
    /// statements once it is known which column holds the ids.
    ///
    /// # Errors
    /// Why it cannot be read so, in words.
    pub(crate) fn new(
        schema: CollectionSchema,
        found: FoundTable,
        statements: impl FnOnce(&FoundTable, usize) -> Statements,
    ) -> Result<Self, String> {
        let named = |why: String| format!("the table {:?} {why}", found.name);
        if let Some(obstacle) = found.obstacle {
            return Err(named(obstacle.to_owned()));
        }
        let fields = fields_of(&schema, &found.columns);
        if let Some(field) = fields.iter().find(|name| !may_be_a_field(name)) {
            return Err(named(format!("has a column that no document can hold: {field:?}")));
        }
        let id_name = schema.id_name();
        let id = fields
            .iter()
            .position(|field| field == id_name)
            .ok_or_else(|| named(format!("has no column for the id field {id_name:?}")))?;
        check_id_column(&found.columns[id]).map_err(named)?;
        let statements = statements(&found, id);
        let every_row_has_an_id = found.columns[id].not_null;
        let columns = found
            .columns
            .into_iter()
            .zip(fields)
            .map(|(column, field)| Column::new(&schema, column, field))
            .collect();
        Ok(Self { schema, name: found.name, columns, id, every_row_has_an_id, statements })
    }
}

fn check_id_column(column: &FoundColumn) -> Result<(), String> {
    let FoundColumn { name, sql_type, .. } = column;
    if column.no_ids {
        return Err(format!(
            "has ids of the type {sql_type} in {name:?}; an id is text, a whole number or a UUID"
        ));
    }
    if !column.unique {
        return Err(format!(
            "may hold an id twice: {name:?} is no primary key and has no unique index of its own"
        ));
    }
    Ok(())
}

/// The field of each column: the one of its name, also where upper and lower
/// case differ, if no other column can be meant.
fn fields_of(schema: &CollectionSchema, columns: &[FoundColumn]) -> Vec<String> {
    let declared = |name: &str| {
        name == schema.id_name() || schema.fields.iter().any(|field| field.name == name)
    };
    let meant = |column: &FoundColumn| {
        let names = schema.fields.iter().map(|field| field.name.as_str());
        let mut alike = names
            .chain([schema.id_name()])
            .filter(|name| name.eq_ignore_ascii_case(&column.name))
            .collect::<Vec<_>>();
        alike.dedup();
        let rivals = columns.iter().filter(|c| c.name.eq_ignore_ascii_case(&column.name)).count();
        match alike.as_slice() {
            [name] if rivals == 1 => (*name).to_owned(),
            _ => column.name.clone(),
        }
    };
    columns
        .iter()
        .map(|column| if declared(&column.name) { column.name.clone() } else { meant(column) })
        .collect()
}

/// Whether a document can hold a field of this name at its top.
fn may_be_a_field(name: &str) -> bool {
    !name.is_empty() && !RESERVED_KEYS.contains(&name)
}

impl Column {
    fn new(schema: &CollectionSchema, column: FoundColumn, field: String) -> Self {
        let declared = schema.fields.iter().find(|declared| declared.name == field);
        let key = format!("{}:", Json::from(field.as_str()));
        let kind = match column.kind {
            // Text is what it is, unless the schema says that it is a time.
            SqlKind::Plain if is_time(schema, &field) => SqlKind::Time,
            kind => kind,
        };
        Self {
            name: column.name,
            sql_type: column.sql_type,
            kind,
            reading: declared.map_or(Reading::AsStored, |field| Reading::of(schema, field)),
            nullable: declared.is_some_and(|field| field.nullable),
            field,
            key,
        }
    }
}

impl Reading {
    fn of(schema: &CollectionSchema, field: &Field) -> Self {
        match field.kind {
            FieldKind::Text => Self::Text,
            FieldKind::Integer | FieldKind::Number => Self::Number,
            FieldKind::Boolean => Self::Boolean,
            FieldKind::Array | FieldKind::Object => Self::Structure,
            FieldKind::Any => {
                let types = types_of(schema, &field.name);
                let allows = |name: &str| types.is_empty() || types.contains(&name);
                match (allows("string"), allows("array") || allows("object")) {
                    (false, true) => Self::Structure,
                    (_, structures) => Self::Several { structures },
                }
            }
        }
    }
}

/// What the schema says of a field under a keyword.
fn said_of<'a>(schema: &'a CollectionSchema, field: &str, keyword: &str) -> Option<&'a Json> {
    schema.json_schema.as_deref()?.get("properties")?.get(field)?.get(keyword)
}

/// Whether the schema says that a text is a time.
fn is_time(schema: &CollectionSchema, field: &str) -> bool {
    said_of(schema, field, "format").and_then(Json::as_str) == Some("date-time")
}

/// The JSON types that a field may have; none when all are allowed.
fn types_of<'a>(schema: &'a CollectionSchema, field: &str) -> Vec<&'a str> {
    match said_of(schema, field, "type") {
        Some(Json::Array(types)) => types.iter().filter_map(Json::as_str).collect(),
        Some(Json::String(one)) => vec![one.as_str()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{
        "type": "object", "x-repository": {"collection": "m", "idField": "id"},
        "properties": {
            "id": {"type": "string"}, "name": {"type": ["string", "null"]},
            "price": {"type": ["number", "string", "null"]}, "any": {},
            "shape": {"type": ["array", "object"]}, "status": {"type": "string"},
            "since": {"type": ["string", "null"], "format": "date-time"}
        }
    }"#;

    fn column(name: &str) -> FoundColumn {
        FoundColumn {
            name: name.to_owned(),
            sql_type: "TEXT".to_owned(),
            kind: SqlKind::Plain,
            not_null: false,
            unique: name.eq_ignore_ascii_case("id"),
            no_ids: false,
        }
    }

    fn table(columns: &[&str]) -> Result<Table, String> {
        let schema = CollectionSchema::parse(SCHEMA).unwrap();
        let columns = columns.iter().map(|name| column(name)).collect();
        let found = FoundTable { name: "m".to_owned(), obstacle: None, columns };
        let none: Arc<str> = "".into();
        Table::new(schema, found, |_, _| Statements {
            first: Arc::clone(&none),
            next: Arc::clone(&none),
            get: Arc::clone(&none),
            count: Arc::clone(&none),
            without_id: none,
        })
    }

    #[test]
    fn a_column_is_the_field_of_its_name_whatever_its_case() {
        let table = table(&["NAME", "ID", "Status", "status", "OTHER"]).unwrap();
        let fields: Vec<&str> = table.columns.iter().map(|c| c.field.as_str()).collect();
        assert_eq!(fields, ["name", "id", "Status", "status", "OTHER"]);
        assert_eq!(table.id, 1);
        let nullable: Vec<bool> = table.columns.iter().map(|c| c.nullable).collect();
        assert_eq!(nullable, [true, false, false, false, false]);
        assert_eq!(table.columns[2].reading, Reading::AsStored);
        assert_eq!(table.columns[3].reading, Reading::Text);
    }

    #[test]
    fn fields_of_several_types_say_what_text_may_be() {
        let table = table(&["id", "price", "any", "shape"]).unwrap();
        let readings: Vec<Reading> = table.columns.iter().skip(1).map(|c| c.reading).collect();
        let several = |structures| Reading::Several { structures };
        assert_eq!(readings, [several(false), several(true), Reading::Structure]);
    }

    #[test]
    fn text_is_a_time_where_the_schema_says_so() {
        let table = table(&["id", "status", "since"]).unwrap();
        let kinds: Vec<SqlKind> = table.columns.iter().map(|column| column.kind).collect();
        assert_eq!(kinds, [SqlKind::Plain, SqlKind::Plain, SqlKind::Time]);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (columns, why) in [
            (&["name"][..], "no column for the id field \"id\""),
            (&[][..], "no column for the id field"),
            (&["id", "_version"][..], "no document can hold: \"_version\""),
            (&["id", ""][..], "no document can hold: \"\""),
        ] {
            let error = table(columns).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert!(check_id_column(&column("key")).unwrap_err().contains("twice"));
        let bytes = FoundColumn { no_ids: true, ..column("id") };
        assert!(check_id_column(&bytes).unwrap_err().contains("type TEXT"));
    }
}
