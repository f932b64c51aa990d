//! Reading a row of an allowed table.

use std::sync::Arc;

use repo_core::strategy::{StorageStrategy, StorageStrategyExt as _};
use repo_core::{CollectionName, Entity, EntityId, Error, ErrorKind, Result};

use super::allow_list::AllowedSource;
use super::location::TableName;
use super::source::Source;

/// Reads the rows of one table, by a store that an operator configured for it: a table of
/// another program is opened as a store that is only read.
#[derive(Clone)]
pub struct RowReader {
    table: TableName,
    collection: CollectionName,
    store: Arc<dyn StorageStrategy>,
}

impl std::fmt::Debug for RowReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowReader")
            .field("table", &self.table)
            .field("collection", &self.collection)
            .finish_non_exhaustive()
    }
}

impl RowReader {
    /// A reader of the table that is a collection of a store.
    #[must_use]
    pub fn new(
        table: TableName,
        collection: CollectionName,
        store: Arc<dyn StorageStrategy>,
    ) -> Self {
        Self { table, collection, store }
    }

    /// Reads the row.
    ///
    /// # Errors
    /// `NotFound` if there is none, `Invalid` for a source in another table, and those of the
    /// store.
    pub async fn read(&self, source: &AllowedSource) -> Result<Entity> {
        let row = match source.source() {
            Source::Row { table, row } if *table == self.table => row,
            other => {
                let message = "the source is not in this table";
                return Err(
                    Error::new(ErrorKind::Invalid, "read a source", message).with("source", other)
                );
            }
        };
        let found = self.store.get(&self.collection, &EntityId::new(row.as_str())?).await?;
        found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "read a source", "there is no such row")
                .with("source", source.source())
        })
    }
}

#[cfg(test)]
mod tests {
    use repo_core::strategy::OpenOptions;
    use repo_core::{CollectionSchema, Document, Key, MemoryStrategy, Value};

    use super::super::allow_list::AllowList;
    use super::*;

    #[tokio::test]
    async fn a_row_is_read_by_its_id() {
        let schema = CollectionSchema::builder("trajectories", "id").build().unwrap();
        let collection = schema.collection.clone();
        let mut options = OpenOptions::default();
        options.schemas = Arc::new([schema.clone()].into_iter().collect());
        let store: Arc<dyn StorageStrategy> = Arc::new(MemoryStrategy::new(options));
        store.prepare(&[schema]).await.unwrap();
        let key = Key::new(collection.clone(), "r1".parse().unwrap());
        store.create(key, Document::parse(r#"{"id":"r1","x":1}"#).unwrap()).await.unwrap();

        let list = r#"{"tables":[{"table":"trajectories","connection":"a"},{"table":"t2","connection":"a"}]}"#;
        let list: AllowList = serde_json::from_str(list).unwrap();
        let allowed = |table: &str, row: &str| {
            let metadata = format!(r#"{{"table_name":"{table}","row_id":"{row}"}}"#);
            let metadata = Value::parse(&metadata).unwrap();
            list.allow(&Source::parse("pg_table", &metadata).unwrap()).unwrap()
        };
        let reader = RowReader::new("trajectories".parse().unwrap(), collection, store);
        let row = reader.read(&allowed("trajectories", "r1")).await.unwrap();
        assert_eq!(row.document.as_str(), r#"{"id":"r1","x":1}"#);
        let missing = reader.read(&allowed("trajectories", "r2")).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let other = reader.read(&allowed("t2", "r1")).await.unwrap_err();
        assert_eq!(other.kind(), ErrorKind::Invalid);
    }
}
