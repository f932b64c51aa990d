//! [`StorageStrategy`] over plain maps under one lock.

use std::num::NonZeroUsize;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use futures_util::StreamExt as _;

use super::state::State;
use super::table::{Table, written};
use crate::strategy::{
    Aggregator, Applied, Capabilities, Changes, Effort, FeedPosition, OlderThan, OlderVersion,
    OpenOptions, OpenState, PhysicalIdentity, Position, PrepareChange, Prepared, Purged, Record,
    RecordBatch, RecordStream, Remnant, ScanOptions, Selector, StorageStrategy, StoreId,
    StoreRecord, StoreUpdate, SystemCollection, SystemItem, SystemWrite, VersionWrite,
    check_distinct_collections, check_distinct_keys, check_none_is_live, check_purge,
    check_records, check_version_writes, level_by_key, level_of, never_prepared, no_history,
    with_records,
};
use crate::{
    Aggregates, Aggregation, Attribution, Change, CollectionName, CollectionSchema, Consistency,
    EntityId, Error, Filter, GroupedBy, Health, HealthCheck, HealthDepth, Page, Plan, Query,
    QueryAnalysis, Result, Timestamp, Version, Write, Written,
};

const READ_ITEMS: &str = "read the engine's own items";
const WRITE_ITEMS: &str = "write the engine's own items";
const READ_FEED: &str = "read the change feed";
const READ_HISTORY: &str = "read the history";
const WRITE_HISTORY: &str = "change the history";

/// Records in the memory of this process. Nothing survives it.
#[derive(Debug)]
pub struct MemoryStrategy {
    location: String,
    capabilities: Capabilities,
    options: OpenOptions,
    open: OpenState,
    state: Arc<RwLock<State>>,
}

impl MemoryStrategy {
    /// An empty store with no collection.
    #[must_use]
    pub fn new(options: OpenOptions) -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(1);
        let location = format!("memory:{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        Self::handle(location, options, Arc::default())
    }

    /// A second handle on the records of this one, with its own options. The
    /// records live until the last handle is dropped; closing one handle
    /// leaves the others open.
    #[must_use]
    pub fn share(&self, options: OpenOptions) -> Self {
        Self::handle(self.location.clone(), options, Arc::clone(&self.state))
    }

    /// One page of a query, and what it takes.
    fn page(
        &self,
        collection: &CollectionName,
        query: &Query,
        effort: &mut Effort,
    ) -> Result<Page> {
        let state = self.read("query")?;
        let table = state.table("query", collection)?;
        let mut selector = Selector::new(collection, query)?;
        let after = match query.cursor().map(|c| c.position_in(collection, query)).transpose()? {
            Some(Position::Native(id)) => Bound::Excluded(EntityId::new(id)?),
            _ => Bound::Unbounded,
        };
        for record in table.records.range((after, Bound::Unbounded)).map(|(_, record)| record) {
            let Record::Live(entity) = record else {
                effort.examined += 1;
                continue;
            };
            let matches = query.filter().matches(&entity.document);
            effort.look_at(matches);
            if matches && !selector.keep(entity.clone()) {
                break;
            }
        }
        Ok(selector.finish(Plan::Scan, |last| last.id.to_string()))
    }

    fn handle(location: String, options: OpenOptions, state: Arc<RwLock<State>>) -> Self {
        Self {
            location,
            capabilities: Capabilities::new(options.max_entity_bytes)
                .with_max_scan_segments(64)
                .with_parallel_scan(true)
                .with_changes(true)
                .with_history(true)
                .with_fence(true)
                .with_read_only(options.read_only),
            options,
            open: OpenState::default(),
            state,
        }
    }

    fn read(&self, operation: &'static str) -> Result<RwLockReadGuard<'_, State>> {
        self.check_open(operation)?;
        Ok(self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, operation: &'static str) -> Result<RwLockWriteGuard<'_, State>> {
        self.check_open(operation)?;
        self.options.check_writable(operation, &self.location)?;
        Ok(self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        self.open.check(operation, &self.location)
    }

    fn check_apply(&self, state: &State, operation: &'static str) -> Result<()> {
        state.role.check_apply(operation, &self.location, self.options.works_for)
    }

    fn check_rebuild(&self, state: &State, operation: &'static str) -> Result<()> {
        state.role.check_rebuild(operation, &self.location, self.options.works_for)
    }

    fn check_document(&self, table: &Table, record: &Record) -> Result<()> {
        match record {
            Record::Live(entity) => table.schema.check_document(
                &entity.id,
                &entity.document,
                self.options.max_entity_bytes,
            ),
            Record::Tombstone(_) => Ok(()),
        }
    }
}

#[async_trait]
impl StorageStrategy for MemoryStrategy {
    fn location(&self) -> &str {
        &self.location
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.check_open("identify the store")?;
        let holder = &self.location;
        Ok(Some(PhysicalIdentity::new("memory").holds(holder).within("this process")))
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        let mut state = self.write("prepare")?;
        check_distinct_collections(schemas)?;
        if !schemas.iter().all(|schema| state.is_prepared(schema)) {
            self.check_rebuild(&state, "prepare")?;
        }
        if state.id.is_none() {
            state.id = Some(StoreId::random()?);
        }
        let mut prepared = Vec::new();
        for schema in schemas {
            let change = match state.tables.get_mut(&schema.collection) {
                None => {
                    state.tables.insert(schema.collection.clone(), Table::new(schema.clone()));
                    PrepareChange::Created
                }
                Some(table) if table.schema == *schema => PrepareChange::Unchanged,
                Some(table) => {
                    table.schema = schema.clone();
                    table.state.schema_version = schema.schema_version;
                    PrepareChange::Updated
                }
            };
            prepared.push(Prepared::new(schema.collection.clone(), change));
        }
        Ok(prepared)
    }

    async fn upgrade_layout(&self) -> Result<Option<u32>> {
        match self.write("upgrade the layout")?.id {
            Some(_) => Ok(None),
            None => Err(never_prepared("upgrade the layout", &self.location)),
        }
    }

    async fn check_prepare(&self, schemas: &[CollectionSchema]) -> Result<()> {
        self.check_open("prepare")?;
        check_distinct_collections(schemas)
    }

    async fn collections(&self) -> Result<Vec<CollectionName>> {
        Ok(self.read("collections")?.tables.keys().cloned().collect())
    }

    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        level_by_key(self, "get").await?;
        let state = self.read("get")?;
        let table = state.table("get", collection)?;
        Ok(ids.iter().map(|id| table.records.get(id).cloned()).collect())
    }

    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page> {
        level_of(self, "query", query.consistency()).await?;
        self.page(collection, query, &mut Effort::default())
    }

    async fn analyze(&self, collection: &CollectionName, query: &Query) -> Result<QueryAnalysis> {
        level_of(self, "query", query.consistency()).await?;
        let mut effort = Effort::default();
        let page = self.page(collection, query, &mut effort)?;
        Ok(QueryAnalysis::counted(&page, effort))
    }

    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        level_of(self, "count", consistency).await?;
        let state = self.read("count")?;
        let table = state.table("count", collection)?;
        Ok(table.live_entities().filter(|entity| filter.matches(&entity.document)).count() as u64)
    }

    async fn aggregate(
        &self,
        collection: &CollectionName,
        aggregation: &Aggregation,
    ) -> Result<Aggregates> {
        level_of(self, "aggregate", aggregation.consistency()).await?;
        let state = self.read("aggregate")?;
        let table = state.table("aggregate", collection)?;
        let mut groups = Aggregator::new(collection, aggregation);
        for entity in table.live_entities() {
            groups.offer(&entity.document)?;
        }
        groups.finish(GroupedBy::Engine)
    }

    async fn scan(
        &self,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        level_of(self, "scan", options.consistency).await?;
        let state = self.read("scan")?;
        let table = state.table("scan", collection)?;
        let records: Vec<Record> = table
            .records
            .values()
            .filter(|record| options.segment.contains(record.id()))
            .cloned()
            .collect();
        let batches = records.chunks(options.batch_size.get());
        let batches: Vec<Result<RecordBatch>> =
            batches.map(|records| Ok(records.to_vec().into())).collect();
        Ok(futures_util::stream::iter(batches).boxed())
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        check_distinct_keys(&writes)?;
        let now = self.options.clock.now();
        let mut state = self.write("commit")?;
        state.role.check_commit("commit", &self.location)?;
        let mut failed = Vec::new();
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in &writes {
            let table = state.table("commit", &write.key.collection)?;
            if let Change::Put(document) = &write.change {
                let limit = self.options.max_entity_bytes;
                table.schema.check_document(&write.key.id, document, limit)?;
            }
            failed.extend(write.failure(table.live(&write.key.id).map(|entity| entity.version)));
            outcomes.push(table.outcome(write, now)?);
        }
        if !failed.is_empty() {
            return Err(Error::preconditions("commit", failed));
        }
        let answers = outcomes.iter().map(|outcome| written(outcome.as_ref())).collect();
        for (write, record) in writes.iter().zip(outcomes) {
            let Some(record) = record else { continue };
            state.log.note(&record);
            let table = state.table_mut("commit", record.collection())?;
            if let Some(attribution) = &write.attribution {
                table.attribute(record.id().clone(), record.version(), attribution);
            }
            table.put(record);
        }
        Ok(answers)
    }

    async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>> {
        let mut state = self.write("apply")?;
        self.check_apply(&state, "apply")?;
        for record in &records {
            let table = state.table("apply", record.collection())?;
            self.check_document(table, record)?;
        }
        records
            .into_iter()
            .map(|record| {
                let table = state.table_mut("apply", record.collection())?;
                let answer = table.apply(record.clone());
                if answer == Applied::Applied {
                    state.log.note(&record);
                }
                Ok(answer)
            })
            .collect()
    }

    async fn purge(&self, collection: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        let mut state = self.write("purge")?;
        self.check_rebuild(&state, "purge")?;
        let allowed = check_purge(state.job.as_ref(), collection);
        let table = state.table_mut("purge", collection)?;
        allowed?;
        let removed = table.purge(older_than);
        Ok(Purged::new(removed, table.state.floor))
    }

    async fn store_record(&self) -> Result<StoreRecord> {
        Ok(self.read("read the store's record")?.record())
    }

    async fn update_store_record(&self, update: StoreUpdate) -> Result<StoreRecord> {
        let mut state = self.write("update the store's record")?;
        update.check_role(&state.role, &self.location, self.options.works_for)?;
        state.update(update)?;
        Ok(state.record())
    }

    async fn checkpoint(&self) -> Result<()> {
        self.check_open("checkpoint")
    }

    async fn health(&self, depth: &HealthDepth) -> Result<Health> {
        let (records, role) = {
            let state = self.read("health")?;
            let records: usize = state.tables.values().map(|table| table.records.len()).sum();
            (records, state.role.health_check())
        };
        let detail = format!("{records} records in memory");
        let mut checks = vec![HealthCheck::new("memory", true, detail)];
        checks.extend(role);
        if let HealthDepth::Deep(progress) = depth {
            checks.extend(check_records(self, progress).await);
        }
        Ok(Health::new(checks))
    }

    async fn close(&self) -> Result<()> {
        self.open.close();
        Ok(())
    }

    async fn changes(&self, after: Option<&FeedPosition>, most: NonZeroUsize) -> Result<Changes> {
        let (captured, next) = {
            let state = self.write(READ_FEED)?;
            state.log.read(&state.feed(READ_FEED)?, after, most)?
        };
        Ok(Changes::new(with_records(self, captured).await?, next))
    }

    async fn head(&self) -> Result<FeedPosition> {
        self.write(READ_FEED)?.feed(READ_FEED)?.head()
    }

    async fn system_item(&self, collection: SystemCollection, key: &str) -> Result<Option<String>> {
        let state = self.read(READ_ITEMS)?;
        state.feed(READ_ITEMS)?;
        Ok(state.items.get(collection, key).map(str::to_owned))
    }

    async fn system_items(
        &self,
        collection: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Result<Vec<SystemItem>> {
        let state = self.read(READ_ITEMS)?;
        state.feed(READ_ITEMS)?;
        Ok(state.items.list(collection, prefix, after, most))
    }

    async fn write_system_items(&self, writes: Vec<SystemWrite>) -> Result<()> {
        let mut state = self.write(WRITE_ITEMS)?;
        state.feed(WRITE_ITEMS)?;
        SystemWrite::check_all(&writes)?;
        let works_for = self.options.works_for;
        state.role.check_items(&writes, WRITE_ITEMS, &self.location, works_for)?;
        for write in &writes {
            write.check_stored(state.items.get(write.collection, &write.key))?;
        }
        for SystemWrite { collection, key, value, .. } in &writes {
            state.items.set(*collection, key, value.as_deref());
        }
        Ok(())
    }

    async fn older_versions(
        &self,
        collection: &CollectionName,
        of: &[OlderThan],
        most: NonZeroUsize,
    ) -> Result<Vec<OlderVersion>> {
        let state = self.read(READ_HISTORY)?;
        let table = state.table(READ_HISTORY, collection)?;
        if table.history.is_none() {
            return Err(no_history(READ_HISTORY, collection, &self.location));
        }
        Ok(table.older(of).take(most.get()).collect())
    }

    async fn attributions(
        &self,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> Result<Vec<Option<Attribution>>> {
        let state = self.read(READ_HISTORY)?;
        let table = state.table(READ_HISTORY, collection)?;
        if table.history.is_none() {
            return Err(no_history(READ_HISTORY, collection, &self.location));
        }
        Ok(of.iter().map(|of| table.attribution(of)).collect())
    }

    async fn scrub(&self, collection: &CollectionName, ids: &[EntityId]) -> Result<Vec<Remnant>> {
        self.check_rebuild(&*self.write("scrub a record")?, "scrub a record")?;
        check_none_is_live(self, collection, ids).await?;
        Ok(Vec::new())
    }

    async fn write_versions(
        &self,
        collection: &CollectionName,
        writes: Vec<VersionWrite>,
    ) -> Result<Vec<Applied>> {
        let mut state = self.write(WRITE_HISTORY)?;
        self.check_apply(&state, WRITE_HISTORY)?;
        check_version_writes(&writes)?;
        let table = state.table_mut(WRITE_HISTORY, collection)?;
        if table.history.is_none() {
            return Err(no_history(WRITE_HISTORY, collection, &self.location));
        }
        Ok(writes.into_iter().map(|write| table.write_version(write)).collect())
    }

    async fn trim_changes(&self, through: &FeedPosition) -> Result<()> {
        let mut state = self.write("remove old changes")?;
        let feed = state.feed("remove old changes")?;
        state.log.trim(&feed, through)
    }
}
