//! One prepared collection as this process uses it: its schema, what of its
//! layout is really there, and its statements.

use std::sync::Arc;

use repo_core::{CollectionSchema, Result, Version};

use super::guess::Guess;
use crate::Dialect;
use crate::dialect::MARK;
use crate::layout::{CollectionLayout, Made, record_columns};
use crate::names::{COLLECTIONS_TABLE, literal, quote};

/// A prepared collection.
pub(super) struct Table {
    pub(super) schema: CollectionSchema,
    pub(super) layout: CollectionLayout,
    pub(super) statements: Statements,
    /// Whether the records of the next `apply` are all new to the table.
    pub(super) all_new: Guess,
}

/// Texts made once. Their values, by number:
///
/// - writes of one key: 1 id, 2 time, 3 document, 4 expected version;
/// - `insert`: 1 ids, 2 time, 3 documents;
/// - `update`: 1 ids, 2 versions, 3 creation times, 4 time, 5 documents;
/// - `insert_records`, `upsert`: 1 ids, 2 versions, 3 creation times, 4 times, 5 documents.
pub(super) struct Statements {
    /// One record by id.
    pub(super) get: Arc<str>,
    /// Records by a list of ids.
    pub(super) get_many: Arc<str>,
    pub(super) put: Arc<str>,
    pub(super) put_absent: Arc<str>,
    pub(super) put_exists: Arc<str>,
    pub(super) put_version: Arc<str>,
    pub(super) delete: Arc<str>,
    pub(super) delete_version: Arc<str>,
    /// Id, version, creation time and liveness of a list of ids, without a
    /// lock, with one against writers, with one against all.
    pub(super) heads: [Arc<str>; 3],
    /// Inserts ids without a record, by the floor.
    pub(super) insert: Arc<str>,
    pub(super) update: Arc<str>,
    /// Removes ids as if they had never been there.
    pub(super) remove: Arc<str>,
    /// Inserts, and fails when one is there.
    pub(super) insert_records: Arc<str>,
    /// The same, of rows that follow in the binary form of COPY: id, version,
    /// creation time, time, document.
    pub(super) copy_records: Arc<str>,
    /// Inserts, or overwrites a lower version; returns the ids written.
    pub(super) upsert: Arc<str>,
}

impl Table {
    /// The collection as declared, without what was not made yet.
    ///
    /// # Errors
    /// `Unsupported` when the schema cannot be laid out.
    pub(super) fn new(schema: CollectionSchema, made: &Made) -> Result<Self> {
        let mut layout = CollectionLayout::new(Dialect::Postgres, &schema)?;
        layout.columns.retain(|column| made.columns.get(&column.name) == Some(&column.definition));
        layout.indexes.retain(|index| made.indexes.get(&index.name) == Some(&index.definition));
        let statements = Statements::new(&layout);
        Ok(Self { schema, layout, statements, all_new: Guess::default() })
    }
}

/// Where the value with this number belongs.
fn value(number: usize) -> String {
    format!("{MARK}{number}{MARK}")
}

impl Statements {
    fn new(layout: &CollectionLayout) -> Self {
        let names = Names {
            table: quote(&layout.table),
            id: quote(&layout.id_column),
            columns: record_columns(layout),
            collection: literal(layout.collection.as_str()),
        };
        let Names { table, id, columns, .. } = &names;
        let [one, two, three, four, five] = [1, 2, 3, 4, 5].map(value);
        let heads = |lock: &str| -> Arc<str> {
            format!(
                "SELECT {id}, \"_version\", \"_created_at\", \"document\" IS NOT NULL \
                 FROM {table} WHERE {id} = ANY({one}) ORDER BY {id}{lock}"
            )
            .into()
        };
        let records = format!(
            "INSERT INTO {table} AS r ({columns}) \
             SELECT * FROM unnest({one}, {two}, {three}, {four}, {five})"
        );
        Self {
            get: format!("SELECT {columns} FROM {table} WHERE {id} = {one}").into(),
            get_many: format!("SELECT {columns} FROM {table} WHERE {id} = ANY({one})").into(),
            put: names.put(""),
            put_absent: names.put("r.\"document\" IS NULL AND "),
            put_exists: names.change(&three, ""),
            put_version: names.change(&three, &format!(" AND \"_version\" = {four}")),
            delete: names.change("NULL", ""),
            delete_version: names.change("NULL", &format!(" AND \"_version\" = {three}")),
            heads: [heads(""), heads(" FOR SHARE"), heads(" FOR NO KEY UPDATE")],
            insert: names.insert(),
            update: format!(
                "UPDATE {table} AS r SET \"_version\" = u.version, \"_created_at\" = u.created_at, \
                 \"_updated_at\" = {four}, \"document\" = u.document \
                 FROM unnest({one}, {two}, {three}, {five}) \
                 AS u(id, version, created_at, document) WHERE r.{id} = u.id"
            )
            .into(),
            remove: format!("DELETE FROM {table} WHERE {id} = ANY({one})").into(),
            insert_records: records.as_str().into(),
            copy_records: format!("COPY {table} ({columns}) FROM STDIN WITH (FORMAT binary)")
                .into(),
            upsert: format!(
                "{records} ON CONFLICT ({id}) DO UPDATE SET \"_version\" = excluded.\"_version\", \
                 \"_created_at\" = excluded.\"_created_at\", \
                 \"_updated_at\" = excluded.\"_updated_at\", \"document\" = excluded.\"document\" \
                 WHERE excluded.\"_version\" > r.\"_version\" RETURNING {id}"
            )
            .into(),
        }
    }
}

/// The names in the statements of one collection.
struct Names {
    table: String,
    id: String,
    columns: String,
    collection: String,
}

impl Names {
    /// Puts one document, on a condition on the record that is there. The
    /// floor is read by the statement itself: see decision 0062.
    fn put(&self, condition: &str) -> Arc<str> {
        let Self { table, id, columns, collection } = self;
        let [one, two, three] = [1, 2, 3].map(value);
        let (floors, last) = (quote(COLLECTIONS_TABLE), Version::MAX);
        format!(
            "INSERT INTO {table} AS r ({columns}) SELECT {one}, f.\"floor\" + 1, {two}, {two}, \
             {three} FROM {floors} AS f WHERE f.\"collection\" = {collection} \
             AND f.\"floor\" < {last} \
             ON CONFLICT ({id}) DO UPDATE SET \"_version\" = r.\"_version\" + 1, \
             \"_created_at\" = CASE WHEN r.\"document\" IS NULL THEN excluded.\"_created_at\" \
             ELSE r.\"_created_at\" END, \
             \"_updated_at\" = excluded.\"_updated_at\", \"document\" = excluded.\"document\" \
             WHERE {condition}r.\"_version\" < {last} RETURNING \"_version\", \"_created_at\""
        )
        .into()
    }

    /// Changes a live record to `document`.
    fn change(&self, document: &str, condition: &str) -> Arc<str> {
        let Self { table, id, .. } = self;
        let [one, two] = [1, 2].map(value);
        format!(
            "UPDATE {table} SET \"_version\" = \"_version\" + 1, \"_updated_at\" = {two}, \
             \"document\" = {document} WHERE {id} = {one} AND \"document\" IS NOT NULL{condition} \
             AND \"_version\" < {} RETURNING \"_version\", \"_created_at\"",
            Version::MAX
        )
        .into()
    }

    fn insert(&self) -> Arc<str> {
        let Self { table, id, columns, collection } = self;
        let [one, two, three] = [1, 2, 3].map(value);
        format!(
            "INSERT INTO {table} ({columns}) \
             SELECT u.id, least(f.\"floor\", {}) + 1, {two}, {two}, u.document \
             FROM unnest({one}, {three}) WITH ORDINALITY AS u(id, document, place), {} AS f \
             WHERE f.\"collection\" = {collection} ORDER BY u.place \
             ON CONFLICT ({id}) DO NOTHING RETURNING {id}, \"_version\"",
            Version::MAX - 1,
            quote(COLLECTIONS_TABLE)
        )
        .into()
    }
}
