//! Looking up the prepared collections, in what is known of the database or in
//! the database itself.

use std::sync::Arc;

use repo_core::{CollectionName, Result};
use rusqlite::Connection;

use super::catalog::Catalog;
use super::connection::{Reader, in_one_state};
use super::read;
use super::readers::Readers;
use super::shared::Shared;
use super::table::Table;

impl Readers {
    /// Runs `work` on a reader with the prepared collection, both in one state
    /// of the database.
    pub(super) async fn read_table<T: Send + 'static>(
        &self,
        operation: &'static str,
        collection: &CollectionName,
        work: impl FnOnce(&Shared, &Reader, &Arc<Table>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.shared.check_open(operation)?;
        if !self.shared.known.get().prepared && !self.shared.file().exists() {
            return Err(self.shared.unknown(operation, None, collection));
        }
        let (shared, collection) = (Arc::clone(&self.shared), collection.clone());
        self.run(operation, move |reader| {
            read::with_table(&shared, reader, operation, &collection, |table| {
                work(&shared, reader, table)
            })
        })
        .await
    }

    /// Runs `work` on a reader if the store is prepared, in the state of the
    /// database that the catalog describes.
    pub(super) async fn read_store<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Shared, &Connection, &Catalog) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        self.shared.check_open(operation)?;
        if !self.shared.known.get().prepared && !self.shared.file().exists() {
            return Ok(None);
        }
        let shared = Arc::clone(&self.shared);
        self.run(operation, move |connection| {
            in_one_state(connection, shared.file(), |connection| {
                let catalog = shared.refresh_catalog(connection)?;
                catalog.prepared.then(|| work(&shared, connection, &catalog)).transpose()
            })
        })
        .await
    }

    /// The prepared collection, without touching the database when it is
    /// known already.
    pub(super) async fn table(
        &self,
        operation: &'static str,
        collection: &CollectionName,
    ) -> Result<Arc<Table>> {
        if let Some(table) = self.shared.known.get().tables.get(collection) {
            return Ok(Arc::clone(table));
        }
        self.read_table(operation, collection, |_, _, table| Ok(Arc::clone(table))).await
    }
}
