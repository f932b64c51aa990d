//! [`StorageStrategy`] over tables of another program: every read of the
//! contract, and no write.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::ready;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use repo_core::strategy::{
    Applied, Capabilities, CollectionState, OnUnreadable, OpenOptions, PhysicalIdentity, Position,
    Prepared, Purged, Record, RecordStream, ScanOptions, Selector, StateMark, StorageStrategy,
    StoreRecord, StoreUpdate, check_records, did_you_mean, suggestion_before,
};
use repo_core::{
    CollectionName, CollectionSchema, Consistency, EntityId, Error, ErrorKind, Filter, Health,
    HealthCheck, HealthDepth, Page, Plan, Query, Result, Timestamp, Write, Written,
};

use super::IDS_AT_ONCE;
use super::pages::Pages;
use super::reader::TableReader;
use super::table::Table;

/// Most tables that are named as not read.
const MOST_OTHERS: usize = 10;

/// Tables of another program.
#[derive(Debug)]
pub(crate) struct ExistingStrategy {
    reader: Arc<dyn TableReader>,
    tables: BTreeMap<CollectionName, Arc<Table>>,
    capabilities: Capabilities,
    words: String,
    on_unreadable: OnUnreadable,
}

impl ExistingStrategy {
    /// A store of these tables; `others` are there and not read.
    pub(crate) fn new(
        reader: Arc<dyn TableReader>,
        tables: Vec<Table>,
        others: &[String],
        options: &OpenOptions,
    ) -> Self {
        let tables: BTreeMap<_, _> = tables
            .into_iter()
            .map(|table| (table.schema.collection.clone(), Arc::new(table)))
            .collect();
        let capabilities = Capabilities::new(options.max_entity_bytes)
            .with_durable(true)
            .with_multi_process(true)
            // Each segment would read the whole table.
            .with_max_scan_segments(1)
            .with_read_only(true);
        let words = words(&tables, others);
        Self { reader, tables, capabilities, words, on_unreadable: options.on_unreadable() }
    }

    fn table(&self, operation: &'static str, collection: &CollectionName) -> Result<&Arc<Table>> {
        self.reader.check_open(operation)?;
        self.tables.get(collection).ok_or_else(|| {
            let known = self.tables.keys().map(CollectionName::as_str);
            let meant = did_you_mean(collection.as_str(), known);
            let hint = "a table of another name is named by `table` in the x-repository \
                        block of the collection's schema";
            Error::new(ErrorKind::NotFound, operation, "the database has no table for it")
                .with("collection", collection)
                .with("store", self.location())
                .hint(suggestion_before(meant, hint))
        })
    }

    fn pages(
        &self,
        operation: &'static str,
        table: &Arc<Table>,
        after: Option<EntityId>,
        most: usize,
    ) -> Pages {
        Pages::new(&self.reader, table, operation, after, most)
    }

    fn refuse<T>(&self, operation: &'static str) -> Result<T> {
        self.reader.check_open(operation)?;
        Err(Error::new(
            ErrorKind::Unsupported,
            operation,
            "the tables belong to another program and are only read",
        )
        .with("store", self.location())
        .hint("migrate them into a store of this program, and write there"))
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
impl StorageStrategy for ExistingStrategy {
    fn location(&self) -> &str {
        self.reader.location()
    }

    fn foreign(&self) -> Option<&str> {
        Some(&self.words)
    }

    async fn invents_versions(&self) -> Result<bool> {
        self.reader.check_open("look for versions")?;
        Ok(true)
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.reader.physical_identity().await
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn prepare(&self, _schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.refuse("prepare")
    }

    async fn check_prepare(&self, _schemas: &[CollectionSchema]) -> Result<()> {
        self.refuse("prepare")
    }

    async fn collections(&self) -> Result<Vec<CollectionName>> {
        self.reader.check_open("collections")?;
        Ok(self.tables.keys().cloned().collect())
    }

    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        let table = self.table("get", collection)?;
        let mut found: HashMap<EntityId, Record> = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(IDS_AT_ONCE) {
            let records = self.reader.of_ids(table, chunk).await?;
            found.extend(records.into_iter().map(|record| (record.id().clone(), record)));
        }
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page> {
        let table = self.table("query", collection)?;
        let mut selector = Selector::new(collection, query)?;
        let position = query.cursor().map(|c| c.position_in(collection, query)).transpose()?;
        let after = match position {
            Some(Position::Native(id)) => Some(EntityId::new(id)?),
            _ => None,
        };
        // In its own order a page ends early; an ordered one sees every row and
        // keeps a page of them.
        let mut pages = self.pages("query", table, after, usize::MAX);
        'rows: while let Some(records) = pages.next().await? {
            for entity in records.into_iter().filter_map(Record::into_live) {
                if !selector.offer(entity) {
                    break 'rows;
                }
            }
        }
        Ok(selector.finish(Plan::Scan, |last| last.id.to_string()))
    }

    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        _consistency: Consistency,
    ) -> Result<u64> {
        let table = self.table("count", collection)?;
        if filter.is_all() {
            return self.reader.count(table).await;
        }
        let mut pages = self.pages("count", table, None, usize::MAX);
        let mut matching = 0;
        while let Some(records) = pages.next().await? {
            let matches = |record: &&Record| record.document().is_some_and(|d| filter.matches(d));
            matching += records.iter().filter(matches).count() as u64;
        }
        Ok(matching)
    }

    async fn scan(
        &self,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        let table = self.table("scan", collection)?;
        let pages = self.pages("scan", table, None, options.batch_size.get());
        let on_unreadable = self.on_unreadable;
        let batches = stream::try_unfold(pages, move |mut pages| async move {
            let Some(mut batch) = pages.next_past(on_unreadable).await? else { return Ok(None) };
            batch.records.retain(|record| options.segment.contains(record.id()));
            if options.segment.index() > 0 {
                batch.unreadable.clear();
            }
            Ok(Some((batch, pages)))
        });
        Ok(batches.try_filter(|batch| ready(!batch.is_empty())).boxed())
    }

    async fn commit(&self, _writes: Vec<Write>) -> Result<Vec<Written>> {
        self.refuse("commit")
    }

    async fn apply(&self, _records: Vec<Record>) -> Result<Vec<Applied>> {
        self.refuse("apply")
    }

    async fn purge(&self, _collection: &CollectionName, _older_than: Timestamp) -> Result<Purged> {
        self.refuse("purge")
    }

    async fn state_mark(&self) -> Result<Option<StateMark>> {
        self.reader.state_mark().await
    }

    async fn store_record(&self) -> Result<StoreRecord> {
        self.reader.check_open("read the store's record")?;
        // The rows are read by this schema, so they are of its version.
        let state = |table: &Arc<Table>| CollectionState::new(table.schema.schema_version, 0);
        let tables = self.tables.iter();
        Ok(StoreRecord::new(0)
            .with_collections(tables.map(|(name, table)| (name.clone(), state(table))).collect()))
    }

    async fn update_store_record(&self, _update: StoreUpdate) -> Result<StoreRecord> {
        self.refuse("update the store's record")
    }

    async fn checkpoint(&self) -> Result<()> {
        self.refuse("checkpoint")
    }

    async fn health(&self, depth: &HealthDepth) -> Result<Health> {
        self.reader.check_open("health")?;
        let tables = HealthCheck::new("tables", true, self.words.clone());
        let mut checks = vec![self.reader.health().await, tables];
        if let HealthDepth::Deep(progress) = depth
            && checks.iter().all(|check| check.ok)
        {
            checks.extend(check_records(self, progress).await);
        }
        Ok(Health::new(checks))
    }

    async fn close(&self) -> Result<()> {
        self.reader.close().await;
        Ok(())
    }
}
