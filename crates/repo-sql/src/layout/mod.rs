//! How a collection lies in tables, columns, indexes and a view: one layout
//! for every dialect, computed from the collection's schema.

mod capture;
mod column;
mod digest;
mod fence;
mod history;
mod index;
mod made;
mod view;

use std::collections::HashMap;

use repo_core::strategy::check_distinct_collections;
use repo_core::{CollectionName, CollectionSchema, Error, ErrorKind, FieldPath, Result};

pub(crate) use self::capture::CaptureTriggers;
#[cfg(feature = "sqlite")]
pub(crate) use self::capture::capture_trigger_names;
pub(crate) use self::column::Column;
use self::column::columns;
use self::digest::digest;
pub(crate) use self::digest::{DIGEST_COLUMN, DIGEST_DEFINITION, Digest, digest_trigger};
#[cfg(feature = "postgres")]
pub(crate) use self::fence::{
    FENCED, WORKS_FOR, fence_function, fence_in_postgres, fence_of, lift_in_postgres,
};
#[cfg(feature = "sqlite")]
pub(crate) use self::fence::{fence_in_sqlite, fence_names_in_sqlite, lift_in_sqlite};
#[cfg(feature = "sqlite")]
pub(crate) use self::history::keep_trigger;
pub(crate) use self::history::{HistoryLayout, VERSION_COLUMNS};
pub(crate) use self::index::Index;
use self::index::indexes;
pub(crate) use self::made::Made;
use self::view::view_definition;
use crate::Dialect;
use crate::names::quote;

/// The newest version of this layout; each store keeps the one that it is in.
/// Layout 1 is the same without the store's id, layout 2 without the change feed.
/// `upgrade_layout` makes the newest of them, and nothing else does. Tables of either may have digests or not; each collection's
/// own columns say so.
pub(crate) const LAYOUT_VERSION: u32 = 3;

/// The first layout that keeps changes.
pub(crate) const LAYOUT_WITH_CHANGES: u32 = 3;

/// Whether this program reads and writes stores of a layout.
pub(crate) fn is_known_layout(version: i64) -> bool {
    (1..=i64::from(LAYOUT_VERSION)).contains(&version)
}

/// One collection in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CollectionLayout {
    pub(crate) collection: CollectionName,
    pub(crate) schema_version: u32,
    pub(crate) table: String,
    pub(crate) view: String,
    pub(crate) id_field: FieldPath,
    pub(crate) id_column: String,
    /// Not in PostgreSQL, nor where an indexed field takes the column's name.
    pub(crate) digest: Option<Digest>,
    /// Made while writes are captured.
    pub(crate) capture: CaptureTriggers,
    /// Made while the history of the collection is kept.
    pub(crate) history: HistoryLayout,
    pub(crate) columns: Vec<Column>,
    pub(crate) indexes: Vec<Index>,
    /// The statement that makes the view.
    pub(crate) view_definition: String,
    /// What holds for every document.
    pub(crate) is_document: String,
}

impl CollectionLayout {
    /// The layout of a collection.
    ///
    /// # Errors
    /// `Unsupported` when two columns would have one name.
    pub(crate) fn new(dialect: Dialect, schema: &CollectionSchema) -> Result<Self> {
        let view = dialect.view_name(&schema.collection);
        let table = format!("{view}_records");
        let id_column = dialect.column_name(schema.id_name());
        let columns = columns(dialect, schema);
        let named = |error: repo_core::Error| error.with("collection", &schema.collection);
        Ok(Self {
            indexes: indexes(dialect, schema, &table, &id_column, &columns),
            view_definition: view_definition(dialect, schema, &view, &table, &columns)
                .map_err(named)?,
            digest: digest(dialect, &schema.collection, &table, &id_column, &columns),
            capture: CaptureTriggers::new(dialect, &schema.collection, &table, &id_column),
            history: HistoryLayout::new(dialect, &schema.collection, &table, &id_column),
            is_document: dialect.is_document(&id_column, schema.id_name()),
            collection: schema.collection.clone(),
            schema_version: schema.schema_version,
            id_field: schema.id_field.clone(),
            table,
            view,
            id_column,
            columns,
        })
    }

    /// Leaves out the indexes that are not made yet.
    pub(crate) fn without_new_indexes(mut self, made: Option<&Made>) -> Self {
        self.indexes.retain(|i| made.is_some_and(|made| made.indexes.contains_key(&i.name)));
        self
    }

    /// Every name this layout takes in the database: table, view, trigger, indexes.
    pub(crate) fn object_names(&self) -> impl Iterator<Item = &str> {
        [self.table.as_str(), self.view.as_str()]
            .into_iter()
            .chain(self.digest.as_ref().map(|digest| digest.trigger.as_str()))
            .chain(self.indexes.iter().map(|index| index.name.as_str()))
    }

    /// Leaves the digest out where a table that is there has none.
    pub(crate) fn with_digest_as_made(mut self, made: Option<&Made>) -> Self {
        let has = |digest: &Digest| made.is_none_or(|made| made.has_digest(digest));
        self.digest = self.digest.filter(has);
        self
    }

    /// The column that holds the field at `path`.
    pub(crate) fn column(&self, path: &FieldPath) -> Option<&Column> {
        self.columns.iter().find(|column| column.path == *path)
    }
}

/// The layouts of collections that are to be prepared together.
///
/// # Errors
/// `Invalid` for a collection that stands twice and for two that need the same
/// name in the database; `Unsupported` for one that has no layout.
pub(crate) fn layouts(
    dialect: Dialect,
    schemas: &[CollectionSchema],
) -> Result<Vec<CollectionLayout>> {
    check_distinct_collections(schemas)?;
    let layouts: Vec<CollectionLayout> = schemas
        .iter()
        .map(|schema| CollectionLayout::new(dialect, schema))
        .collect::<Result<_>>()?;
    let mut names: HashMap<String, &CollectionName> = HashMap::new();
    for layout in &layouts {
        for name in layout.object_names() {
            let other = names.insert(name.to_ascii_lowercase(), &layout.collection);
            if let Some(other) = other.filter(|other| **other != layout.collection) {
                let why = "two collections need the same name in the database";
                return Err(Error::new(ErrorKind::Invalid, "prepare", why)
                    .with("collection", &layout.collection)
                    .with("name", name)
                    .with("other_collection", other)
                    .hint("rename one of them, or keep it in another database or schema"));
            }
        }
    }
    Ok(layouts)
}

/// The columns of a record, in the order in which each `rows` reads them.
pub(crate) fn record_columns(layout: &CollectionLayout) -> String {
    format!(
        "{}, \"_version\", \"_created_at\", \"_updated_at\", \"document\"",
        quote(&layout.id_column)
    )
}
