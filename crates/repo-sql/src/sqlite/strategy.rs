//! [`StorageStrategy`] over one SQLite file.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{
    Applied, Capabilities, Changes, FeedPosition, OlderThan, OlderVersion, PhysicalIdentity,
    Prepared, Purged, Record, RecordStream, Remnant, ScanOptions, StateMark, StorageStrategy,
    StoreRecord, StoreUpdate, SystemCollection, SystemItem, SystemWrite, UnfinishedJob,
    VersionWrite, check_distinct_keys, check_none_is_live, check_records, check_version_writes,
    level_by_key, level_of, never_prepared, with_records,
};
use repo_core::{
    Aggregates, Aggregation, Attribution, Change, CollectionName, CollectionSchema, Consistency,
    EntityId, Error, Filter, Health, HealthDepth, Page, Query, QueryAnalysis, Result, Timestamp,
    Version, Write, Written,
};
use rusqlite::Connection;

use super::catalog::Catalog;
use super::jobs::Transaction;
use super::mark::Marker;
use super::opening::off_thread;
use super::readers::Readers;
use super::session::Session;
use super::shared::Shared;
use super::table::Table;
use super::writer::Writer;
use super::{
    aggregate, analyze, apply, commit, connection, feed, history, items, page, prepare, read, scan,
    store_record, upgrade, upkeep,
};
use crate::config::SqlSettings;
use crate::ddl::NewIndexes;
use crate::layout::LAYOUT_VERSION;

/// Most ids that a read takes at once on the calling thread; more go to a
/// thread for blocking work.
const IDS_AT_ONCE: usize = 8;

/// Records in the tables of one SQLite database.
pub struct SqliteStrategy {
    shared: Arc<Shared>,
    capabilities: Capabilities,
    readers: Readers,
    writer: Writer,
    marker: Marker,
}

impl fmt::Debug for SqliteStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteStrategy").field(&self.shared).finish()
    }
}

impl SqliteStrategy {
    /// The strategy on a file that was looked at.
    pub(super) fn on(shared: Arc<Shared>, settings: &SqlSettings) -> Self {
        let capabilities = Capabilities::new(shared.options.max_entity_bytes)
            .with_max_commit_keys(None)
            .with_max_commit_bytes(None)
            .with_durable(true)
            .with_multi_process(true)
            .with_max_scan_segments(64)
            .with_parallel_scan(false)
            .with_indexes_after_load(true)
            .with_indexes(true)
            .with_aggregates(true)
            .with_read_only(shared.options.read_only)
            .with_changes(true)
            .with_history(true)
            .with_fence(true);
        Self {
            readers: Readers::new(Arc::clone(&shared), settings.pool_size, settings.max_overflow),
            writer: Writer::new(Arc::clone(&shared)),
            marker: Marker::default(),
            capabilities,
            shared,
        }
    }

    fn never_prepared(&self, operation: &'static str) -> Error {
        never_prepared(operation, &self.shared.location)
    }

    async fn prepare_with(
        &self,
        schemas: &[CollectionSchema],
        new_indexes: NewIndexes,
    ) -> Result<Vec<Prepared>> {
        self.shared.check_writable("prepare")?;
        let schemas = schemas.to_vec();
        let work = move |session: &mut Session| prepare::prepare(session, &schemas, new_indexes);
        self.writer.alone("prepare", work).await
    }
}

#[async_trait]
impl StorageStrategy for SqliteStrategy {
    fn location(&self) -> &str {
        &self.shared.location
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.shared.physical_identity().map(Some)
    }

    async fn unfinished_job_afresh(&self) -> Result<Option<UnfinishedJob>> {
        self.shared.check_open(upkeep::AFRESH)?;
        let shared = Arc::clone(&self.shared);
        off_thread(move || upkeep::unfinished_job_afresh(&shared)).await
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.prepare_with(schemas, NewIndexes::Made).await
    }

    async fn prepare_for_load(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.prepare_with(schemas, NewIndexes::Left).await
    }

    async fn upgrade_layout(&self) -> Result<Option<u32>> {
        self.shared.check_writable(upgrade::OPERATION)?;
        self.writer.alone(upgrade::OPERATION, upgrade::upgrade).await
    }

    async fn check_prepare(&self, schemas: &[CollectionSchema]) -> Result<()> {
        self.shared.check_open("prepare")?;
        let (shared, schemas) = (Arc::clone(&self.shared), schemas.to_vec());
        off_thread(move || prepare::check(&shared, &schemas)).await
    }

    async fn collections(&self) -> Result<Vec<CollectionName>> {
        let names = self
            .readers
            .read_store("collections", |_, _, catalog| Ok(catalog.tables.keys().cloned().collect()))
            .await?;
        Ok(names.unwrap_or_default())
    }

    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        self.shared.check_open("get")?;
        level_by_key(self, "get").await?;
        if ids.len() <= IDS_AT_ONCE
            && let Some(table) = self.shared.known.get().tables.get(collection)
            && let Some(done) = self
                .readers
                .run_at_once(|connection| read::get_many(&self.shared, connection, table, ids))
        {
            return done;
        }
        let ids = ids.to_vec();
        self.readers
            .read_table("get", collection, move |shared, connection, table| {
                read::get_many(shared, connection, table, &ids)
            })
            .await
    }

    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page> {
        self.shared.check_open("query")?;
        level_of(self, "query", query.consistency()).await?;
        // Most pages are read sooner than another thread would begin with them.
        let at_once = self.readers.run_at_once(|reader| {
            read::with_table(&self.shared, reader, "query", collection, |table| {
                page::query(&self.shared, reader, table, query)
            })
        });
        if let Some(done) = at_once {
            return done;
        }
        let query = query.clone();
        self.readers
            .read_table("query", collection, move |shared, reader, table| {
                page::query(shared, reader, table, &query)
            })
            .await
    }

    async fn analyze(&self, collection: &CollectionName, query: &Query) -> Result<QueryAnalysis> {
        level_of(self, "query", query.consistency()).await?;
        let query = query.clone();
        self.readers
            .read_table("query", collection, move |shared, reader, table| {
                analyze::analyze(shared, reader, table, &query)
            })
            .await
    }

    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        level_of(self, "count", consistency).await?;
        let filter = filter.clone();
        self.readers
            .read_table("count", collection, move |shared, connection, table| {
                read::count(shared, connection, table, &filter)
            })
            .await
    }

    async fn aggregate(
        &self,
        collection: &CollectionName,
        aggregation: &Aggregation,
    ) -> Result<Aggregates> {
        level_of(self, "aggregate", aggregation.consistency()).await?;
        let aggregation = aggregation.clone();
        self.readers
            .read_table("aggregate", collection, move |shared, connection, table| {
                aggregate::aggregate(shared, connection, table, &aggregation)
            })
            .await
    }

    async fn scan(
        &self,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        self.shared.check_open("scan")?;
        level_of(self, "scan", options.consistency).await?;
        let table = self.readers.table("scan", collection).await?;
        Ok(scan::stream(Arc::clone(&self.shared), self.readers.clone(), table, options))
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        check_distinct_keys(&writes)?;
        self.shared.check_writable("commit")?;
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        for write in &writes {
            let table = self.readers.table("commit", &write.key.collection).await?;
            if let Change::Put(document) = &write.change {
                let limit = self.shared.options.max_entity_bytes;
                table.schema.check_document(&write.key.id, document, limit)?;
            }
        }
        let shared = Arc::clone(&self.shared);
        self.writer
            .transact("commit", move |transaction| commit::commit(&shared, transaction, &writes))
            .await
    }

    async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>> {
        self.shared.check_writable("apply")?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let mut table: Option<Arc<Table>> = None;
        for record in &records {
            let known = table.take().filter(|t| t.schema.collection == *record.collection());
            let table = table.insert(match known {
                Some(table) => table,
                None => self.readers.table("apply", record.collection()).await?,
            });
            if let Record::Live(entity) = record {
                let limit = self.shared.options.max_entity_bytes;
                table.schema.check_document(&entity.id, &entity.document, limit)?;
            }
        }
        let shared = Arc::clone(&self.shared);
        self.writer
            .transact("apply", move |transaction| apply::apply(&shared, transaction, &records))
            .await
    }

    async fn purge(&self, collection: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        self.shared.check_writable("purge")?;
        self.readers.table("purge", collection).await?;
        let (shared, collection) = (Arc::clone(&self.shared), collection.clone());
        self.writer
            .transact("purge", move |transaction| {
                upkeep::purge(&shared, transaction, &collection, older_than)
            })
            .await
    }

    async fn state_mark(&self) -> Result<Option<StateMark>> {
        self.marker.mark(&self.shared).await
    }

    async fn store_record(&self) -> Result<StoreRecord> {
        let record = self
            .readers
            .read_store("read the store's record", |shared, connection, _| {
                store_record::read(connection, shared.file())
            })
            .await?;
        Ok(record.unwrap_or(StoreRecord::new(LAYOUT_VERSION)))
    }

    async fn update_store_record(&self, update: StoreUpdate) -> Result<StoreRecord> {
        let operation = "update the store's record";
        self.shared.check_writable(operation)?;
        if self.readers.read_store(operation, |_, _, _| Ok(())).await?.is_none() {
            return Err(never_prepared(operation, &self.shared.location));
        }
        let shared = Arc::clone(&self.shared);
        self.writer
            .transact(operation, move |transaction| {
                store_record::update(&shared, transaction, update)
            })
            .await
    }

    async fn checkpoint(&self) -> Result<()> {
        self.shared.check_writable("checkpoint")?;
        if self.readers.read_store("checkpoint", |_, _, _| Ok(())).await?.is_none() {
            return Ok(());
        }
        self.writer.alone("checkpoint", upkeep::checkpoint).await
    }

    async fn health(&self, depth: &HealthDepth) -> Result<Health> {
        self.shared.check_open("health")?;
        if !self.shared.file().exists() {
            return Ok(upkeep::unprepared(&self.shared));
        }
        let shared = Arc::clone(&self.shared);
        let deep = matches!(depth, HealthDepth::Deep(_));
        let mut health = self
            .readers
            .run("health", move |connection| Ok(upkeep::health(&shared, connection, deep)))
            .await?;
        if let HealthDepth::Deep(progress) = depth
            && health.is_ok()
        {
            health.checks.extend(check_records(self, progress).await);
        }
        Ok(health)
    }

    async fn close(&self) -> Result<()> {
        if self.shared.close() {
            self.readers.close().await;
            self.marker.close();
            self.writer.close().await;
            let shared = Arc::clone(&self.shared);
            if !shared.options.read_only && shared.known.get().prepared {
                // Whatever becomes of it, the handle is closed.
                let tidy = move || connection::remove_log(shared.file());
                let _ = tokio::task::spawn_blocking(tidy).await;
            }
        }
        Ok(())
    }

    async fn changes(&self, after: Option<&FeedPosition>, most: NonZeroUsize) -> Result<Changes> {
        self.shared.check_writable(feed::READ)?;
        let after = after.cloned();
        let read = move |shared: &Shared, connection: &Connection, catalog: &Catalog| {
            feed::read(shared, connection, catalog, after.as_ref(), most)
        };
        let found = self.readers.read_store(feed::READ, read).await?;
        let (captured, next) = found.ok_or_else(|| self.never_prepared(feed::READ))?;
        Ok(Changes::new(with_records(self, captured).await?, next))
    }

    async fn head(&self) -> Result<FeedPosition> {
        self.shared.check_writable(feed::READ)?;
        let state = self.readers.read_store(feed::READ, |shared, connection, catalog| {
            feed::state(shared, connection, catalog)
        });
        state.await?.ok_or_else(|| self.never_prepared(feed::READ))?.head()
    }

    async fn older_versions(
        &self,
        collection: &CollectionName,
        of: &[OlderThan],
        most: NonZeroUsize,
    ) -> Result<Vec<OlderVersion>> {
        let of = of.to_vec();
        self.readers
            .read_table(history::READ, collection, move |shared, connection, table| {
                history::older(shared, connection, table, &of, most)
            })
            .await
    }

    async fn attributions(
        &self,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> Result<Vec<Option<Attribution>>> {
        let of = of.to_vec();
        self.readers
            .read_table(history::READ, collection, move |shared, connection, table| {
                history::attributions(shared, connection, table, &of)
            })
            .await
    }

    async fn scrub(&self, collection: &CollectionName, ids: &[EntityId]) -> Result<Vec<Remnant>> {
        self.shared.check_writable("scrub a record")?;
        check_none_is_live(self, collection, ids).await?;
        self.writer.alone("scrub a record", upkeep::scrub).await?;
        Ok(Vec::new())
    }

    async fn write_versions(
        &self,
        collection: &CollectionName,
        writes: Vec<VersionWrite>,
    ) -> Result<Vec<Applied>> {
        self.shared.check_writable(history::WRITE)?;
        check_version_writes(&writes)?;
        self.readers.table(history::WRITE, collection).await?;
        let (shared, collection) = (Arc::clone(&self.shared), collection.clone());
        self.writer
            .transact(history::WRITE, move |transaction| {
                history::write(&shared, transaction, &collection, &writes)
            })
            .await
    }

    async fn trim_changes(&self, through: &FeedPosition) -> Result<()> {
        self.shared.check_writable(feed::TRIM)?;
        let (shared, through) = (Arc::clone(&self.shared), through.clone());
        let trim = move |transaction: &Transaction<'_>| feed::trim(&shared, transaction, &through);
        self.writer.transact(feed::TRIM, trim).await?;
        loop {
            let shared = Arc::clone(&self.shared);
            let remove =
                move |transaction: &Transaction<'_>| feed::remove_trimmed(&shared, transaction);
            if !self.writer.transact(feed::TRIM, remove).await? {
                return Ok(());
            }
        }
    }

    async fn system_item(&self, collection: SystemCollection, key: &str) -> Result<Option<String>> {
        let key = key.to_owned();
        let read = move |shared: &Shared, connection: &Connection, catalog: &Catalog| {
            items::get(shared, connection, catalog, collection, &key)
        };
        let found = self.readers.read_store(items::READ, read).await?;
        found.ok_or_else(|| self.never_prepared(items::READ))
    }

    async fn system_items(
        &self,
        collection: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Result<Vec<SystemItem>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let read = move |shared: &Shared, connection: &Connection, catalog: &Catalog| {
            let range = (prefix.as_str(), after.as_deref(), most);
            items::list(shared, connection, catalog, collection, range)
        };
        let found = self.readers.read_store(items::READ, read).await?;
        found.ok_or_else(|| self.never_prepared(items::READ))
    }

    async fn write_system_items(&self, writes: Vec<SystemWrite>) -> Result<()> {
        self.shared.check_writable(items::WRITE)?;
        SystemWrite::check_all(&writes)?;
        if self.readers.read_store(items::WRITE, |_, _, _| Ok(())).await?.is_none() {
            return Err(self.never_prepared(items::WRITE));
        }
        let shared = Arc::clone(&self.shared);
        let write =
            move |transaction: &Transaction<'_>| items::write(&shared, transaction, &writes);
        self.writer.transact(items::WRITE, write).await
    }
}
