//! A piece that `cargo bench -p repo-bench` times by itself. Not part of the
//! interface: it changes as the layout of items does.

use repo_core::strategy::Record;
use repo_core::{CollectionSchema, Result};

use crate::item::{self, item_of, record_of};
use crate::layout::{Index, Layout, table_name};

/// Makes items of the records of one collection, and records of them again.
#[derive(Debug)]
pub struct Mapping(Layout);

/// An item, whatever is in it.
#[derive(Debug)]
pub struct Item(item::Item);

impl Mapping {
    /// With all indexes of the schema.
    #[must_use]
    pub fn new(schema: CollectionSchema) -> Self {
        let (table, indexes) = (table_name("", &schema.collection), Index::of_schema(&schema));
        Self(Layout { table, schema, generation: 1, indexes })
    }

    /// The item of a record.
    #[must_use]
    pub fn item(&self, record: &Record) -> Item {
        Item(item_of(&self.0, record))
    }

    /// The record of an item.
    ///
    /// # Errors
    /// `Corrupt` for an item that holds none.
    pub fn record(&self, item: &Item) -> Result<Option<Record>> {
        record_of(&self.0, &item.0)
    }
}
