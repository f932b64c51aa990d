//! One prepared collection as this process uses it: its schema, what of its
//! layout is really there, and its statements.

use repo_core::{CollectionSchema, Result};

use crate::Dialect;
use crate::ddl::Made;
use crate::layout::{CollectionLayout, record_columns};
use crate::names::quote;

/// A prepared collection.
pub(super) struct Table {
    pub(super) schema: CollectionSchema,
    pub(super) layout: CollectionLayout,
    pub(super) statements: Statements,
}

/// Texts made once, so that a call neither formats nor prepares.
pub(super) struct Statements {
    /// One record by id.
    pub(super) get: String,
    /// Records by a JSON array of ids.
    pub(super) get_many: String,
    /// Version, creation time and liveness by id.
    pub(super) head: String,
    pub(super) insert: String,
    pub(super) update: String,
    /// Overwrites a live record of one version; returns its creation time.
    pub(super) update_version: String,
    /// Inserts, or overwrites a lower version.
    pub(super) upsert: String,
}

impl Table {
    /// The collection as declared, without what was not made yet.
    ///
    /// # Errors
    /// `Unsupported` when the schema cannot be laid out.
    pub(super) fn new(schema: CollectionSchema, made: &Made) -> Result<Self> {
        let mut layout = CollectionLayout::new(Dialect::Sqlite, &schema)?;
        layout.columns.retain(|column| made.columns.get(&column.name) == Some(&column.definition));
        layout.indexes.retain(|index| made.indexes.get(&index.name) == Some(&index.definition));
        let statements = Statements::new(&layout);
        Ok(Self { schema, layout, statements })
    }
}

impl Statements {
    fn new(layout: &CollectionLayout) -> Self {
        let table = quote(&layout.table);
        let id = quote(&layout.id_column);
        let columns = record_columns(layout);
        let insert = format!("INSERT INTO {table} ({columns}) VALUES (?1, ?2, ?3, ?4, ?5)");
        Self {
            get: format!("SELECT {columns} FROM {table} WHERE {id} = ?1"),
            get_many: format!(
                "SELECT {columns} FROM {table} WHERE {id} IN (SELECT \"value\" FROM json_each(?1))"
            ),
            head: format!(
                "SELECT \"_version\", \"_created_at\", \"document\" IS NOT NULL \
                 FROM {table} WHERE {id} = ?1"
            ),
            update: format!(
                "UPDATE {table} SET \"_version\" = ?2, \"_created_at\" = ?3, \
                 \"_updated_at\" = ?4, \"document\" = ?5 WHERE {id} = ?1"
            ),
            update_version: format!(
                "UPDATE {table} SET \"_version\" = ?3, \"_updated_at\" = ?4, \"document\" = ?5 \
                 WHERE {id} = ?1 AND \"_version\" = ?2 AND \"document\" IS NOT NULL \
                 RETURNING \"_created_at\""
            ),
            upsert: format!(
                "{insert} ON CONFLICT ({id}) DO UPDATE SET \"_version\" = excluded.\"_version\", \
                 \"_created_at\" = excluded.\"_created_at\", \
                 \"_updated_at\" = excluded.\"_updated_at\", \"document\" = excluded.\"document\" \
                 WHERE excluded.\"_version\" > {table}.\"_version\""
            ),
            insert,
        }
    }
}
