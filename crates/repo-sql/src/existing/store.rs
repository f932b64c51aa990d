//! Tables of another program as a [`ForeignStrategy`]: what is read of which table.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::ready;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use repo_core::strategy::{
    Capabilities, ForeignReader, ForeignStrategy, OpenOptions, PhysicalIdentity, ReadFrom, Record,
    RecordStream, StateMark, did_you_mean, suggestion_before,
};
use repo_core::{CollectionName, Consistency, EntityId, Error, ErrorKind, HealthCheck, Result};

use super::IDS_AT_ONCE;
use super::pages::Pages;
use super::reader::TableReader;
use super::table::Table;

/// Most tables that are named as not read.
const MOST_OTHERS: usize = 10;

/// A store of these tables; `others` are there and not read.
pub(crate) fn store(
    reader: Arc<dyn TableReader>,
    tables: Vec<Table>,
    others: &[String],
    options: &OpenOptions,
) -> ForeignStrategy {
    let by_name = tables
        .into_iter()
        .map(|table| (table.schema.collection.clone(), Arc::new(table)))
        .collect();
    let words = words(&by_name, others);
    let capabilities = Capabilities::new(options.max_entity_bytes)
        .with_durable(true)
        .with_multi_process(true)
        // Each segment would read the whole table.
        .with_max_scan_segments(1);
    let tables = Tables { reader, tables: by_name, words };
    ForeignStrategy::new(tables, capabilities, options.on_unreadable())
}

/// Tables of another program.
#[derive(Debug)]
struct Tables {
    reader: Arc<dyn TableReader>,
    tables: BTreeMap<CollectionName, Arc<Table>>,
    words: String,
}

impl Tables {
    fn table(&self, operation: &'static str, collection: &CollectionName) -> Result<&Arc<Table>> {
        self.tables.get(collection).ok_or_else(|| self.unknown(operation, collection))
    }
}

/// What this store is, in words.
fn words(tables: &BTreeMap<CollectionName, Arc<Table>>, others: &[String]) -> String {
    let listed: Vec<String> = tables
        .iter()
        .map(|(collection, table)| match table.name == collection.as_str() {
            true => collection.to_string(),
            false => format!("{collection} (table {:?})", table.name),
        })
        .collect();
    let mut words = format!("tables of another program, read as version 1: {}", listed.join(", "));
    if !others.is_empty() {
        let named: Vec<String> =
            others.iter().take(MOST_OTHERS).map(|name| format!("{name:?}")).collect();
        words
            .push_str(&format!("; not read, since no collection names them: {}", named.join(", ")));
        if others.len() > named.len() {
            words.push_str(&format!(" and {} more", others.len() - named.len()));
        }
    }
    words
}

#[async_trait]
impl ForeignReader for Tables {
    fn location(&self) -> &str {
        self.reader.location()
    }

    fn words(&self) -> &str {
        &self.words
    }

    fn collections(&self) -> BTreeMap<CollectionName, u32> {
        let of = |(name, table): (&CollectionName, &Arc<Table>)| {
            (name.clone(), table.schema.schema_version)
        };
        self.tables.iter().map(of).collect()
    }

    fn unknown(&self, operation: &'static str, collection: &CollectionName) -> Error {
        let known = self.tables.keys().map(CollectionName::as_str);
        let meant = did_you_mean(collection.as_str(), known);
        let hint = "a table of another name is named by `table` in the x-repository block of the \
                    collection's schema";
        Error::new(ErrorKind::NotFound, operation, "the database has no table for it")
            .with("collection", collection)
            .with("store", self.location())
            .hint(suggestion_before(meant, hint))
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        self.reader.check_open(operation)
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.reader.physical_identity().await
    }

    async fn batches(
        &self,
        operation: &'static str,
        collection: &CollectionName,
        from: ReadFrom,
    ) -> Result<RecordStream> {
        let table = self.table(operation, collection)?;
        let pages = Pages::new(&self.reader, table, operation, from.after, from.most);
        let (segment, on_unreadable) = (from.segment, from.on_unreadable);
        let batches = stream::try_unfold(pages, move |mut pages| async move {
            let Some(mut batch) = pages.next_past(on_unreadable).await? else { return Ok(None) };
            batch.records.retain(|record| segment.contains(record.id()));
            if segment.index() > 0 {
                batch.unreadable.clear();
            }
            Ok(Some((batch, pages)))
        });
        Ok(batches.try_filter(|batch| ready(!batch.is_empty())).boxed())
    }

    async fn get(&self, collection: &CollectionName, ids: &[EntityId]) -> Result<Vec<Record>> {
        let table = self.table("get", collection)?;
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(IDS_AT_ONCE) {
            found.extend(self.reader.of_ids(table, chunk).await?);
        }
        Ok(found)
    }

    async fn count(&self, collection: &CollectionName, _consistency: Consistency) -> Result<u64> {
        self.reader.count(self.table("count", collection)?).await
    }

    async fn state_mark(&self) -> Result<Option<StateMark>> {
        self.reader.state_mark().await
    }

    async fn health(&self) -> Result<Vec<HealthCheck>> {
        let tables = HealthCheck::new("tables", true, self.words.clone());
        Ok(vec![self.reader.health().await, tables])
    }

    async fn close(&self) {
        self.reader.close().await;
    }
}
