//! [`StorageStrategy`] over the tables of one prefix.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{
    Action, Applied, Capabilities, Changes, FeedPosition, LevelCosts, OlderThan, OlderVersion,
    PhysicalIdentity, Prepared, Purged, Record, RecordStream, Remnant, ScanOptions,
    StorageStrategy, StoreRecord, StoreUpdate, SystemCollection, SystemItem, SystemWrite,
    VersionWrite, check_distinct_keys, check_none_is_live, check_records, level_by_key, level_of,
    with_records,
};
use repo_core::{
    Aggregates, Aggregation, Attribution, CollectionName, CollectionSchema, Consistency,
    DEFAULT_MAX_ENTITY_BYTES, EntityId, Filter, Health, HealthCheck, HealthDepth, Page, Query,
    QueryAnalysis, Result, Timestamp, Version, Write, Written,
};

use crate::cache::Recorded;
use crate::layout::table_name;
use crate::limits::{most_bytes, most_keys};
use crate::scan;
use crate::shared::Shared;
use crate::tables::is_active;

/// Most segments of a scan that we offer; DynamoDB allows a million.
const MAX_SCAN_SEGMENTS: usize = 1_024;

/// Records in DynamoDB.
#[derive(Debug)]
pub struct DynamoStrategy {
    pub(crate) shared: Arc<Shared>,
    /// See [`Shared::capabilities`].
    pub(crate) capabilities: [Capabilities; 4],
}

impl Shared {
    /// Whether the table of a collection is there and can be used.
    async fn check_table(&self, name: &CollectionName) -> Result<HealthCheck> {
        self.check_table_of(table_name(&self.settings.table_prefix, name)).await
    }

    async fn check_table_of(&self, table: String) -> Result<HealthCheck> {
        let found = self.describe("health", &table).await?;
        let ok = found.as_ref().is_some_and(is_active);
        let detail = match found {
            None => format!("{table} is missing"),
            Some(_) if ok => format!("{table} and its indexes are active"),
            Some(_) => format!("{table} or one of its indexes is not active"),
        };
        Ok(HealthCheck::new("table", ok, detail))
    }

    /// Without captures and histories, with captures, with histories, with both.
    pub(crate) fn capabilities(&self) -> [Capabilities; 4] {
        let capabilities = Capabilities::new(self.max_entity_bytes())
            .with_durable(true)
            .with_multi_process(true)
            .with_max_scan_segments(MAX_SCAN_SEGMENTS)
            .with_parallel_scan(true)
            .with_indexes(true)
            .with_changes(true)
            .with_history(true)
            .with_fence(true)
            .with_levels(match self.settings.consistent_reads {
                true => LevelCosts::STRONG,
                false => LevelCosts::WEAK,
            })
            .with_read_only(self.options.read_only);
        let of = |captures, keeps| {
            let recorded = Recorded { captures, keeps };
            capabilities
                .with_max_commit_keys(Some(most_keys(recorded)))
                .with_max_commit_bytes(Some(most_bytes(recorded)))
        };
        [of(false, false), of(true, false), of(false, true), of(true, true)]
    }

    /// Most bytes of a document: never more than an item holds.
    pub(crate) fn max_entity_bytes(&self) -> usize {
        self.options.max_entity_bytes.min(DEFAULT_MAX_ENTITY_BYTES)
    }
}

/// A collection that another handle loads, or loaded when it was killed.
fn check_load(name: &CollectionName) -> HealthCheck {
    let detail = format!(
        "{name} is being loaded by another run and cannot be used until that ends; if it was \
         broken off, resume the migration or run {}",
        Action::Prepare
    );
    HealthCheck::new("load", false, detail)
}

#[async_trait]
impl StorageStrategy for DynamoStrategy {
    fn location(&self) -> &str {
        &self.shared.location
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.shared.physical_identity().await
    }

    fn capabilities(&self) -> &Capabilities {
        let [plain, capturing, keeping, both] = &self.capabilities;
        match self.shared.cache.recorded() {
            Recorded { captures: false, keeps: false } => plain,
            Recorded { captures: true, keeps: false } => capturing,
            Recorded { captures: false, keeps: true } => keeping,
            Recorded { captures: true, keeps: true } => both,
        }
    }

    async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.shared.prepare(schemas).await
    }

    async fn prepare_for_load(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.shared.prepare_for_load(schemas).await
    }

    async fn upgrade_layout(&self) -> Result<Option<u32>> {
        self.shared.upgrade_layout().await
    }

    async fn check_prepare(&self, schemas: &[CollectionSchema]) -> Result<()> {
        self.shared.check_prepare(schemas).await
    }

    async fn collections(&self) -> Result<Vec<CollectionName>> {
        self.shared.check_open("collections")?;
        let found = self.shared.read_definition("collections").await?;
        let record = self.shared.shown(&found.map(|found| found.definition).unwrap_or_default());
        Ok(record.collections.into_keys().collect())
    }

    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        level_by_key(self, "get").await?;
        let table = self.shared.table("get", collection).await?;
        self.shared.get_many(&table, ids).await
    }

    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page> {
        let level = level_of(self, "query", query.consistency()).await?;
        let table = self.shared.table("query", collection).await?;
        self.shared.query(&table, collection, query, level).await
    }

    async fn analyze(&self, collection: &CollectionName, query: &Query) -> Result<QueryAnalysis> {
        let level = level_of(self, "query", query.consistency()).await?;
        let table = self.shared.table("query", collection).await?;
        self.shared.analyze(&table, collection, query, level).await
    }

    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        let consistency = level_of(self, "count", consistency).await?;
        let table = self.shared.table("count", collection).await?;
        self.shared.count(&table, filter, consistency).await
    }

    async fn aggregate(
        &self,
        collection: &CollectionName,
        aggregation: &Aggregation,
    ) -> Result<Aggregates> {
        let level = level_of(self, "aggregate", aggregation.consistency()).await?;
        let table = self.shared.table("aggregate", collection).await?;
        self.shared.aggregate(&table, aggregation, level).await
    }

    async fn scan(
        &self,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        let level = level_of(self, "scan", options.consistency).await?;
        let options = options.with_consistency(level);
        let table = self.shared.table("scan", collection).await?;
        Ok(scan::stream(Arc::clone(&self.shared), table, options))
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        check_distinct_keys(&writes)?;
        self.shared.check_writable("commit")?;
        self.shared.commit(&writes).await
    }

    async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>> {
        self.shared.check_writable("apply")?;
        self.shared.apply(records).await
    }

    async fn purge(&self, collection: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        self.shared.check_writable("purge")?;
        self.shared.purge(collection, older_than).await
    }

    async fn store_record(&self) -> Result<StoreRecord> {
        self.shared.store_record().await
    }

    async fn update_store_record(&self, update: StoreUpdate) -> Result<StoreRecord> {
        match update {
            StoreUpdate::HoldCapture(holder) => self.shared.hold_capture(&holder).await,
            StoreUpdate::History { collection, expected, history } => {
                self.shared.set_history(&collection, expected, history).await
            }
            StoreUpdate::Role(change) => self.shared.change_role(&change).await,
            StoreUpdate::ReleaseCapture(holder) => self.shared.release_capture(&holder).await,
            update => self.shared.update_store_record(update).await,
        }
    }

    async fn scrub(&self, collection: &CollectionName, ids: &[EntityId]) -> Result<Vec<Remnant>> {
        self.shared.check_writable("scrub a record")?;
        // A deleted item is gone; what AWS keeps of a table is in nobody's reach.
        let role = self.shared.role("scrub a record").await?;
        role.check_rebuild("scrub a record", self.location(), self.shared.options.works_for)?;
        check_none_is_live(self, collection, ids).await?;
        Ok(Vec::new())
    }

    async fn checkpoint(&self) -> Result<()> {
        self.shared.check_open("checkpoint")
    }

    async fn health(&self, depth: &HealthDepth) -> Result<Health> {
        self.shared.check_open("health")?;
        let found = self.shared.read_definition("health").await?;
        let ok = found.is_some();
        let location = &self.shared.location;
        let detail = match ok {
            true => format!("{location} is reached"),
            false => format!("{location} holds no store; make it with {}", Action::Prepare),
        };
        let mut checks = vec![HealthCheck::new("store", ok, detail)];
        let definition = found.map(|found| found.definition).unwrap_or_default();
        let record = self.shared.shown(&definition);
        checks.extend(record.role.health_check());
        for name in record.collections.keys() {
            checks.push(self.shared.check_table(name).await?);
        }
        if record.capture.is_on() {
            checks.push(self.shared.check_table_of(self.shared.feed_table.clone()).await?);
        }
        if !record.history.is_empty() {
            checks.push(self.shared.check_table_of(self.shared.versions_table.clone()).await?);
        }
        checks.extend(record.loading.keys().map(check_load));
        if let HealthDepth::Deep(progress) = depth
            && checks.iter().all(|check| check.ok)
        {
            checks.extend(check_records(self, progress).await);
        }
        Ok(Health::new(checks))
    }

    async fn close(&self) -> Result<()> {
        self.shared.close();
        self.shared.end_loads_on_closing().await;
        Ok(())
    }

    async fn changes(&self, after: Option<&FeedPosition>, most: NonZeroUsize) -> Result<Changes> {
        let (captured, next) = self.shared.changes(after, most).await?;
        Ok(Changes::new(with_records(self, captured).await?, next))
    }

    async fn head(&self) -> Result<FeedPosition> {
        self.shared.feed_head().await
    }

    async fn trim_changes(&self, through: &FeedPosition) -> Result<()> {
        self.shared.trim_changes(through).await
    }

    async fn system_item(&self, collection: SystemCollection, key: &str) -> Result<Option<String>> {
        self.shared.system_item(collection, key).await
    }

    async fn system_items(
        &self,
        collection: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Result<Vec<SystemItem>> {
        self.shared.system_items(collection, prefix, after, most).await
    }

    async fn write_system_items(&self, writes: Vec<SystemWrite>) -> Result<()> {
        self.shared.write_system_items(&writes).await
    }

    async fn older_versions(
        &self,
        collection: &CollectionName,
        of: &[OlderThan],
        most: NonZeroUsize,
    ) -> Result<Vec<OlderVersion>> {
        self.shared.older_versions(collection, of, most).await
    }

    async fn attributions(
        &self,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> Result<Vec<Option<Attribution>>> {
        self.shared.attributions(collection, of).await
    }

    async fn write_versions(
        &self,
        collection: &CollectionName,
        writes: Vec<VersionWrite>,
    ) -> Result<Vec<Applied>> {
        self.shared.write_versions(collection, writes).await
    }
}
