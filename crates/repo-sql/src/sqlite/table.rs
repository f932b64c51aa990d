//! One prepared collection as this process uses it: its schema, what of its
//! layout is really there, and its statements.

use repo_core::{CollectionSchema, Result};
use rusqlite::{Statement, ToSql};

use super::digest::{self, Signed};
use crate::Dialect;
use crate::layout::{CollectionLayout, DIGEST_COLUMN, Made, record_columns};
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
    /// Inserts what is not there. Apart from `raise`: an upsert pays for the trigger of
    /// the digests at each row, also where there is nothing to overwrite.
    pub(super) insert_new: String,
    /// Overwrites a lower version.
    pub(super) raise: String,
}

impl Table {
    /// The collection as declared, without what was not made yet.
    ///
    /// # Errors
    /// `Unsupported` when the schema cannot be laid out.
    pub(super) fn new(schema: CollectionSchema, made: &Made) -> Result<Self> {
        let layout = CollectionLayout::new(Dialect::Sqlite, &schema)?;
        let mut layout = layout.with_digest_as_made(Some(made));
        layout.columns.retain(|column| made.columns.get(&column.name) == Some(&column.definition));
        layout.indexes.retain(|index| made.indexes.get(&index.name) == Some(&index.definition));
        let statements = Statements::new(&layout);
        Ok(Self { schema, layout, statements })
    }

    /// The values of a statement that writes: without the last one, the digest, where
    /// the table has none.
    pub(super) fn with_digest<'a>(&self, values: &'a [&'a dyn ToSql; 6]) -> &'a [&'a dyn ToSql] {
        if self.layout.digest.is_some() { values } else { &values[..5] }
    }

    /// Writes a record by `insert`, `insert_new`, `update` or `raise`; how many rows changed.
    pub(super) fn store(
        &self,
        statement: &mut Statement<'_>,
        record: &Signed<'_>,
        created_at: i64,
    ) -> rusqlite::Result<usize> {
        let digest = self.layout.digest.is_some().then(|| record.digest(created_at));
        let Signed { id, version, updated_at, document } = record;
        let values: [&dyn ToSql; 6] = [id, version, &created_at, updated_at, document, &digest];
        statement.execute(self.with_digest(&values))
    }
}

impl Statements {
    fn new(layout: &CollectionLayout) -> Self {
        let table = quote(&layout.table);
        let id = quote(&layout.id_column);
        let columns = record_columns(layout);
        let writes = Writes::new(layout);
        let insert = format!(
            "INSERT INTO {table} ({columns}{}) VALUES (?1, ?2, ?3, ?4, ?5{})",
            writes.column, writes.value
        );
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
                 \"_updated_at\" = ?4, \"document\" = ?5{} WHERE {id} = ?1",
                writes.set
            ),
            update_version: format!(
                "UPDATE {table} SET \"_version\" = ?3, \"_updated_at\" = ?4, \"document\" = ?5{} \
                 WHERE {id} = ?1 AND \"_version\" = ?2 AND \"document\" IS NOT NULL \
                 RETURNING \"_created_at\"",
                writes.set_keeping_creation
            ),
            insert_new: format!("{insert} ON CONFLICT ({id}) DO NOTHING"),
            raise: format!(
                "UPDATE {table} SET \"_version\" = ?2, \"_created_at\" = ?3, \
                 \"_updated_at\" = ?4, \"document\" = ?5{} WHERE {id} = ?1 AND \"_version\" < ?2",
                writes.set
            ),
            insert,
        }
    }
}

/// What a statement that writes says of the digest, which is its sixth value. Nothing
/// where the table has none: it names no such value then, and is given none.
#[derive(Default)]
struct Writes {
    column: String,
    value: String,
    set: String,
    set_keeping_creation: String,
}

impl Writes {
    fn new(layout: &CollectionLayout) -> Self {
        if layout.digest.is_none() {
            return Self::default();
        }
        let digest = quote(DIGEST_COLUMN);
        let kept = digest::with_creation("?6", "\"_created_at\"");
        Self {
            column: format!(", {digest}"),
            value: ", ?6".to_owned(),
            set: format!(", {digest} = ?6"),
            set_keeping_creation: format!(", {digest} = {kept}"),
        }
    }
}
