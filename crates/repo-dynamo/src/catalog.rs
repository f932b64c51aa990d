//! The store's own record: read and changed by compare and set; and the prepared
//! collections, looked up in what is known of it or in the record itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use repo_core::strategy::never_prepared;
use repo_core::{CollectionName, Error, ErrorKind, Key, Result, Value};

use crate::cache::{Catalog, Table, TableHistory, lease};
use crate::definition::Definition;
use crate::item::{Item, number, text};
use crate::layout::{LAYOUT_VERSION, RECORD_KEY, STORE_KEY};
use crate::retry::{contention, patiently};
use crate::shared::Shared;
use crate::value::{to_attribute, to_json};

const KIND: &str = "kind";
const KIND_IS: &str = "repository store";
const RECORD: &str = "record";
const REVISION: &str = "revision";

/// The store's own record and its revision.
#[derive(Debug, Clone)]
pub(crate) struct Revised {
    pub(crate) definition: Definition,
    pub(crate) revision: u64,
}

impl Shared {
    /// The prepared collection, as it was at most a lease ago. One that this
    /// handle loads becomes an ordinary one.
    ///
    /// # Errors
    /// `NotFound` when it was not prepared.
    pub(crate) async fn table(
        &self,
        operation: &'static str,
        collection: &CollectionName,
    ) -> Result<Arc<Table>> {
        self.check_open(operation)?;
        // Rare, and too deep a future to be part of each caller's.
        Box::pin(self.end_own_load(operation, collection)).await?;
        if let Some(table) = self.cache.get().and_then(|c| c.tables.get(collection).cloned()) {
            return Ok(table);
        }
        let catalog = self.reload(operation, Instant::now()).await?;
        let found = catalog.tables.get(collection).cloned();
        found.ok_or_else(|| self.unknown(operation, collection))
    }

    /// For a write that is made again: replaces what is known of its collection once it
    /// is older than a lease.
    pub(crate) async fn renew_table(
        &self,
        operation: &'static str,
        key: &Key,
        table: &mut Arc<Table>,
    ) -> Result<()> {
        if table.read_at.elapsed() >= lease(&table.role) {
            *table = self.table(operation, &key.collection).await?;
        }
        Ok(())
    }

    /// The prepared collection as it is now.
    pub(crate) async fn fresh_table(
        &self,
        operation: &'static str,
        collection: &CollectionName,
    ) -> Result<Arc<Table>> {
        let catalog = self.reload(operation, Instant::now()).await?;
        let found = catalog.tables.get(collection).cloned();
        found.ok_or_else(|| self.unknown(operation, collection))
    }

    /// Reads the catalog unless another caller did so after `since`.
    pub(crate) async fn reload(
        &self,
        operation: &'static str,
        since: Instant,
    ) -> Result<Arc<Catalog>> {
        let _reading = self.cache.reading.lock().await;
        if let Some(catalog) = self.cache.get().filter(|catalog| catalog.read_at >= since) {
            return Ok(catalog);
        }
        let read_at = Instant::now();
        let definition = self.read_definition(operation).await?.map(|found| found.definition);
        self.remember(operation, read_at, &definition.unwrap_or_default())
    }

    /// Keeps what was read at `read_at`.
    fn remember(
        &self,
        operation: &'static str,
        read_at: Instant,
        definition: &Definition,
    ) -> Result<Arc<Catalog>> {
        let capture = definition.captures();
        let role = Arc::new(definition.role.clone());
        let mut tables = BTreeMap::new();
        for (name, collection) in definition.collections.iter().filter(|(_, c)| c.ready) {
            let layout = collection
                .layout(&self.settings.table_prefix, name)
                .map_err(|source| self.damaged(operation).caused_by(source))?;
            let history = definition.history(name).map(|kept| TableHistory {
                number: kept.number,
                settled: kept.settled,
                since: kept.state.since,
            });
            let floor = collection.floor;
            let role = Arc::clone(&role);
            let table = Table { layout, floor, capture, history, role, read_at };
            tables.insert(name.clone(), Arc::new(table));
        }
        let loading = definition.loads.keys().cloned().collect();
        let catalog = Arc::new(Catalog { tables, loading, capture, role, read_at });
        self.cache.keep(&catalog);
        Ok(catalog)
    }

    /// The store's own record as it is now; `None` when there is none.
    ///
    /// # Errors
    /// `Unsupported` for a newer layout, `Foreign` for a table of that name
    /// that is not ours, `Corrupt` for a damaged record.
    pub(crate) async fn read_definition(&self, operation: &'static str) -> Result<Option<Revised>> {
        let scene = self.repeatable(operation, &self.store_table);
        let found = patiently(self.patience, || async {
            let request = self
                .client
                .get_item()
                .table_name(&self.store_table)
                .key(STORE_KEY, text(RECORD_KEY))
                .consistent_read(true);
            request.send().await.map_err(|error| scene.failure(&error))
        })
        .await;
        match found {
            Ok(answer) => answer.item.map(|item| self.revised(operation, &item)).transpose(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            // The key of that table is another one than ours.
            Err(error) if error.kind() == ErrorKind::Invalid => {
                Err(self.foreign(operation, &self.store_table))
            }
            Err(error) => Err(error),
        }
    }

    fn revised(&self, operation: &'static str, item: &Item) -> Result<Revised> {
        let damaged = || self.damaged(operation);
        if item.get(KIND) != Some(&text(KIND_IS)) {
            return Err(self.foreign(operation, &self.store_table));
        }
        let revision = match item.get(REVISION) {
            Some(AttributeValue::N(number)) => number.parse().map_err(|_| damaged())?,
            _ => return Err(damaged()),
        };
        let record = item.get(RECORD).ok_or_else(damaged)?;
        let json = to_json(record).map_err(|_| damaged())?;
        self.check_layout(operation, &json)?;
        let definition =
            serde_json::from_str(&json).map_err(|source| damaged().caused_by(source))?;
        Ok(Revised { definition, revision })
    }

    /// Refuses a newer layout before anything else of it is read.
    fn check_layout(&self, operation: &'static str, json: &str) -> Result<()> {
        #[derive(serde::Deserialize)]
        struct Head {
            layout_version: u32,
        }
        let head: Head = serde_json::from_str(json)
            .map_err(|source| self.damaged(operation).caused_by(source))?;
        if head.layout_version > LAYOUT_VERSION {
            return Err(Error::new(
                ErrorKind::Unsupported,
                operation,
                "the store has a newer layout than this program knows",
            )
            .with("store", &self.location)
            .with("layout", head.layout_version)
            .with("known", LAYOUT_VERSION)
            .hint("use a newer version of this program"));
        }
        Ok(())
    }

    fn damaged(&self, operation: &'static str) -> Error {
        Error::new(ErrorKind::Corrupt, operation, "the store's own record is damaged")
            .with("store", &self.location)
            .with("table", &self.store_table)
            .hint("restore the item `store` of this table from a backup")
    }

    /// The error for a table that is not ours.
    pub(crate) fn foreign(&self, operation: &'static str, table: &str) -> Error {
        Error::new(
            ErrorKind::Foreign,
            operation,
            "a table of this name is there already and is not ours",
        )
        .with("store", &self.location)
        .with("table", table)
        .hint("choose another table_prefix, or rename the table")
    }

    /// Changes the store's own record by compare and set. `change` may be
    /// called again when another handle was faster.
    pub(crate) async fn change_definition<F>(
        &self,
        operation: &'static str,
        mut change: F,
    ) -> Result<Definition>
    where
        F: FnMut(&mut Definition) -> Result<()>,
    {
        let mut delays = backon::BackoffBuilder::build(contention(self.patience));
        loop {
            let read_at = Instant::now();
            let Some(found) = self.read_definition(operation).await? else {
                return Err(never_prepared(operation, &self.location));
            };
            let mut next = found.definition.clone();
            change(&mut next)?;
            if next == found.definition
                || self.write_definition(operation, &next, Some(found.revision)).await?
            {
                self.remember(operation, read_at, &next)?;
                return Ok(next);
            }
            match delays.next() {
                Some(delay) => tokio::time::sleep(delay).await,
                None => {
                    let scene = self.repeatable(operation, &self.store_table);
                    return Err(scene.later("others keep changing the store's record").error);
                }
            }
        }
    }

    fn as_value(&self, operation: &'static str, definition: &Definition) -> Result<Value> {
        let json = serde_json::to_string(definition)
            .map_err(|source| self.damaged(operation).caused_by(source))?;
        Value::parse(&json).map_err(|source| {
            Error::new(ErrorKind::Invalid, operation, "the store's record cannot hold this")
                .with("reason", source.rule)
        })
    }

    /// Writes the store's own record over the expected revision, `None` for no
    /// record. Returns whether it was the expected one.
    pub(crate) async fn write_definition(
        &self,
        operation: &'static str,
        definition: &Definition,
        expected: Option<u64>,
    ) -> Result<bool> {
        let record = self.as_value(operation, definition)?;
        let scene = self.once(operation, &self.store_table);
        let revision = expected.map_or(1, |revision| revision.saturating_add(1));
        let request = self
            .client
            .put_item()
            .table_name(&self.store_table)
            .item(STORE_KEY, text(RECORD_KEY))
            .item(KIND, text(KIND_IS))
            .item(RECORD, to_attribute(record))
            .item(REVISION, number(revision));
        let request = match expected {
            None => request.condition_expression("attribute_not_exists(#at)"),
            Some(revision) => request
                .condition_expression("#at = :revision")
                .expression_attribute_values(":revision", number(revision)),
        };
        let at = if expected.is_none() { STORE_KEY } else { REVISION };
        let request = request.expression_attribute_names("#at", at);
        patiently(self.patience, || async {
            match request.clone().send().await {
                Ok(_) => Ok(true),
                Err(error) => match error.as_service_error() {
                    Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                    _ => Err(scene.failure(&error)),
                },
            }
        })
        .await
    }
}
