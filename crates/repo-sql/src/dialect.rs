//! What differs between the SQL dialects in definitions and names, as plain
//! facts. What differs in looking into a document stands in `expression`.

use repo_core::CollectionName;

use crate::names::{COLLECTIONS_TABLE, literal, quote, shorten, with_hash};

/// A kind of SQL database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// SQLite 3.31 or newer.
    Sqlite,
    /// PostgreSQL 13 or newer.
    Postgres,
}

/// What a typed column holds; anything else in the document is NULL in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Text,
    Integer,
    Number,
    Boolean,
    /// A string or a number, each as it is: fields of several types, and
    /// those that no schema declares.
    Scalar,
}

/// Stands where a value belongs in a statement for PostgreSQL, around its
/// number. Diesel numbers the placeholders itself when it builds a statement,
/// so only their places are marked. No name and no literal can hold it.
pub(crate) const MARK: char = '\0';

/// The columns that every table of PostgreSQL has.
const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

impl Dialect {
    /// The placeholder of the value with this number, from 1.
    pub(crate) fn placeholder(self, number: usize) -> String {
        match self {
            Self::Sqlite => format!("?{number}"),
            Self::Postgres => format!("{MARK}{number}{MARK}"),
        }
    }

    /// The beginning of table names that the database keeps for itself.
    fn reserved_prefix(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite_",
            Self::Postgres => "pg_",
        }
    }

    /// The name of the view of a collection, from which that of its table is made.
    pub(crate) fn view_name(self, collection: &CollectionName) -> String {
        let reserved = collection.as_str().starts_with(self.reserved_prefix());
        format!("{}{collection}", if reserved { "_" } else { "" })
    }

    /// The name of the column that holds the field of this name. PostgreSQL
    /// keeps some names for columns that every table has.
    pub(crate) fn column_name(self, field: &str) -> String {
        match self {
            Self::Postgres if SYSTEM_COLUMNS.contains(&field) => with_hash(field, field),
            _ => shorten(field),
        }
    }

    /// Statements that come before all others, outside a transaction.
    pub(crate) fn preamble(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["PRAGMA journal_mode = WAL"],
            Self::Postgres => &[],
        }
    }

    /// The type of a generated column, after a space; empty where the value
    /// keeps its own.
    pub(crate) fn column_type(self, kind: ColumnKind) -> &'static str {
        match (self, kind) {
            (Self::Sqlite, ColumnKind::Text) => " TEXT",
            (Self::Sqlite, ColumnKind::Integer) => " INTEGER",
            (Self::Sqlite, ColumnKind::Number) => " NUMERIC",
            (Self::Sqlite, ColumnKind::Boolean) => " BOOLEAN",
            // No type: any name that SQLite does not know would turn text that
            // looks like a number into one.
            (Self::Sqlite, ColumnKind::Scalar) => "",
            (Self::Postgres, ColumnKind::Text) => " text COLLATE \"C\"",
            // A whole number in a document may have 38 digits.
            (Self::Postgres, ColumnKind::Integer | ColumnKind::Number) => " numeric",
            (Self::Postgres, ColumnKind::Boolean) => " boolean",
            (Self::Postgres, ColumnKind::Scalar) => " jsonb",
        }
    }

    /// How a generated column is kept.
    pub(crate) fn generated(self) -> &'static str {
        match self {
            Self::Sqlite => "VIRTUAL",
            Self::Postgres => "STORED",
        }
    }

    /// The id column and the fixed columns of a table of records.
    pub(crate) fn record_columns(self, id_column: &str) -> [String; 5] {
        let id = quote(id_column);
        let of = |id_type: &str, number: &str, document: &str| {
            [
                format!("{id} {id_type} PRIMARY KEY NOT NULL"),
                format!("\"_version\" {number} NOT NULL"),
                format!("\"_created_at\" {number} NOT NULL"),
                format!("\"_updated_at\" {number} NOT NULL"),
                format!("\"document\" {document}"),
            ]
        };
        match self {
            Self::Sqlite => of("TEXT", "INTEGER", "TEXT"),
            Self::Postgres => of("text COLLATE \"C\"", "bigint", "jsonb"),
        }
    }

    /// Most bytes of one entry of an index, if there is a limit. PostgreSQL: a
    /// third of a page, 2,704 bytes with all that belongs to it.
    pub(crate) fn max_index_entry(self) -> Option<usize> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(2_600),
        }
    }

    /// A time column for people: RFC 3339 text with microseconds, or the
    /// database's own type.
    pub(crate) fn shown_time(self, column: &str) -> String {
        let column = quote(column);
        match self {
            Self::Sqlite => {
                // Also right before 1970, where `%` is negative.
                let micros = format!("(({column} % 1000000) + 1000000) % 1000000");
                format!(
                    "strftime('%Y-%m-%dT%H:%M:%S', ({column} - {micros}) / 1000000, 'unixepoch') \
                     || printf('.%06dZ', {micros})"
                )
            }
            // Whole days and the rest apart: an interval is multiplied as a
            // float, which one number of microseconds may not fit exactly.
            // The type begins in 4713 BC.
            Self::Postgres => format!(
                "CASE WHEN {column} < -210866803200000000 THEN '-infinity'::timestamptz ELSE \
                 (timestamp '1970-01-01' + ({column} / 86400000000) * interval '1 day' \
                 + ({column} % 86400000000) * interval '1 microsecond') AT TIME ZONE 'UTC' END"
            ),
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

    /// The statement that marks something as ours, where the database has
    /// such a mark: PostgreSQL keeps a comment with a table, view or index,
    /// also through a dump, and loses it with what it is on.
    pub(crate) fn mark(self, kind: &str, name: &str, collection: &str) -> Option<String> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(format!(
                "COMMENT ON {} {} IS {}",
                kind.to_uppercase(),
                quote(name),
                literal(&our_mark(collection))
            )),
        }
    }
}

/// The comment on the store's own record in PostgreSQL.
pub(crate) const STORE_MARK: &str = "the store's own record, made by repoctl init";

/// The comment on what was made for a collection.
pub(crate) fn our_mark(collection: &str) -> String {
    format!("made by repoctl init for the collection {collection}")
}
