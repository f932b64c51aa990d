//! Looking up the prepared collections, in what is known of the database or in
//! the database itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use repo_core::{CollectionName, CollectionSchema, Error, ErrorKind, Result};

use super::catalog::Catalog;
use super::inspect;
use super::shared::Shared;
use super::table::Table;
use super::transaction::{Sees, Transaction};

impl Shared {
    /// Reads the catalog anew, and notes it unless it was found with schemas
    /// that are outdated.
    pub(super) async fn read_catalog(&self, operation: &'static str) -> Result<Arc<Catalog>> {
        let (mut transaction, _) =
            Transaction::begin(&self.pool, operation, Sees::OneState, Vec::new()).await?;
        let catalog = self.read_catalog_in(&mut transaction).await;
        transaction.rollback().await;
        let catalog = catalog?;
        self.known.set(Arc::clone(&catalog));
        Ok(catalog)
    }

    /// The catalog as a transaction sees it.
    pub(super) async fn read_catalog_in(
        &self,
        transaction: &mut Transaction,
    ) -> Result<Arc<Catalog>> {
        inspect::read(self, transaction).await.map(Arc::new)
    }

    /// The prepared collection; looked up in the database when this handle
    /// does not know it, since another one may have prepared it.
    pub(super) async fn table(
        &self,
        operation: &'static str,
        collection: &CollectionName,
    ) -> Result<Arc<Table>> {
        self.check_open(operation)?;
        let known = self.known.get();
        let up_to_date = known.given == self.known.times_given();
        if let (true, Some(table)) = (up_to_date, known.tables.get(collection)) {
            return Ok(Arc::clone(table));
        }
        match self.read_catalog(operation).await?.tables.get(collection) {
            Some(table) => Ok(Arc::clone(table)),
            None => Err(self.unknown(operation, collection).await),
        }
    }

    /// Each of these collections, which are prepared.
    pub(super) async fn tables<'a>(
        &self,
        operation: &'static str,
        of: impl Iterator<Item = &'a CollectionName>,
    ) -> Result<BTreeMap<CollectionName, Arc<Table>>> {
        let mut tables = BTreeMap::new();
        for collection in of {
            if !tables.contains_key(collection) {
                let table = self.table(operation, collection).await?;
                tables.insert(collection.clone(), table);
            }
        }
        Ok(tables)
    }

    /// Reads from the prepared collection. Once more where the table is not as this handle
    /// knows it: another process may have changed the columns that a statement names.
    pub(super) async fn read_table<T, Reading: Future<Output = Result<T>>>(
        &self,
        operation: &'static str,
        collection: &CollectionName,
        read: impl Fn(Arc<Table>) -> Reading,
    ) -> Result<T> {
        match read(self.table(operation, collection).await?).await {
            Err(error) if error.kind() == ErrorKind::Foreign => {
                self.read_catalog(operation).await?;
                read(self.table(operation, collection).await?).await
            }
            done => done,
        }
    }

    /// The error for a collection that is not prepared.
    pub(super) async fn unknown(
        &self,
        operation: &'static str,
        collection: &CollectionName,
    ) -> Error {
        let schema = self
            .known
            .declared(collection)
            .unwrap_or_else(|| CollectionSchema::undeclared(collection.clone()));
        match inspect::refuse_foreign(self, operation, &[schema]).await {
            Err(error) if error.kind() == ErrorKind::Foreign => error,
            _ => {
                let prepared = self.known.get();
                let prepared = prepared.tables.keys();
                repo_core::strategy::not_prepared(operation, collection, &self.location, prepared)
            }
        }
    }
}
