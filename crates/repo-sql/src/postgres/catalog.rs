//! What is known of the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use repo_core::{CollectionName, FieldPath};

use super::table::Table;
use crate::catalog_cache::ReadWithSchemas;
use crate::layout::Made;

/// Everything known of the database.
#[derive(Default)]
pub(super) struct Catalog {
    /// Which of the schemas given to this handle it was read with.
    pub(super) given: u64,
    /// Whether the store's own tables are there.
    pub(super) prepared: bool,
    /// The layout that the store is in; 0 when there is none.
    pub(super) layout: u32,
    /// Whether writes are captured.
    pub(super) captures: bool,
    pub(super) tables: BTreeMap<CollectionName, Arc<Table>>,
    pub(super) made: BTreeMap<CollectionName, Made>,
}

impl Catalog {
    /// The id field of a prepared collection.
    pub(super) fn id_field(&self, collection: &CollectionName) -> Option<&FieldPath> {
        self.tables.get(collection).map(|table| &table.schema.id_field)
    }
}

impl ReadWithSchemas for Catalog {
    fn given(&self) -> u64 {
        self.given
    }
}
