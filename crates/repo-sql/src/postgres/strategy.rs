//! [`StorageStrategy`] over one schema of a PostgreSQL database.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{
    Action, Applied, Capabilities, Changes, FeedPosition, LevelCosts, OlderThan, OlderVersion,
    OpenOptions, OpenTransaction, PhysicalIdentity, Prepared, Purged, Record, RecordStream,
    Remnant, ScanOptions, StorageStrategy, StoreRecord, StoreUpdate, SystemCollection, SystemItem,
    SystemWrite, UnfinishedJob, VersionWrite, check_distinct_keys, check_none_is_live,
    check_records, check_version_writes, level_knowing, never_prepared, with_records,
};
use repo_core::{
    Aggregates, Aggregation, Attribution, Change, CollectionName, CollectionSchema, Consistency,
    EntityId, Error, ErrorKind, Filter, Health, HealthDepth, Page, Query, QueryAnalysis, Result,
    Timestamp, Token, Version, Write, Written,
};

use super::catalog::Catalog;
use super::role;
use super::shared::Shared;
use super::table::Table;
use super::{
    aggregate, apply, capture, commit, existing, feed, history, identity, inspect, items, prepare,
    read, scan, single, store_record, tokens, upgrade, upkeep,
};
use crate::config::{SqlSettings, SqlType};
use crate::ddl::NewIndexes;
use crate::layout::LAYOUT_VERSION;

/// Records in the tables of one schema of a PostgreSQL database.
pub struct PostgresStrategy {
    shared: Arc<Shared>,
    capabilities: Capabilities,
}

impl fmt::Debug for PostgresStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresStrategy").field(&self.shared).finish()
    }
}

impl PostgresStrategy {
    /// Connects and looks at what is there.
    ///
    /// # Errors
    /// `Unavailable` when the server cannot be reached, `PermissionDenied` for
    /// a refused login, `NotFound` for a missing database, or when opened
    /// read-only and there is no store; `Unsupported` for a newer layout;
    /// `Foreign` when tables that are not ours stand in the place of a
    /// collection; `ConfigInvalid` for a setting out of range or of another kind
    /// of database, and for a pooler of connections that the settings do not name.
    ///
    /// ```no_run
    /// use repo_core::strategy::OpenOptions;
    /// use repo_sql::{PostgresStrategy, SqlSettings, SqlType};
    ///
    /// # async fn example() -> repo_core::Result<()> {
    /// let settings = SqlSettings {
    ///     database: SqlType::Postgresql,
    ///     host: "db.example".to_owned(),
    ///     name: "broker".to_owned(),
    ///     username: "broker".to_owned(),
    ///     password: std::env::var("DB_PASSWORD").unwrap_or_default().into(),
    ///     ..SqlSettings::default()
    /// };
    /// let store = PostgresStrategy::open(settings, OpenOptions::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(settings: SqlSettings, options: OpenOptions) -> Result<Self> {
        let settings = settings.checked_as(SqlType::Postgresql)?;
        let shared = Arc::new(Shared::new(&settings, options)?);
        let known = shared.read_catalog("open").await?;
        check(&shared, &known).await?;
        Ok(Self::on(shared))
    }

    /// Opens the database; for reading only also one that holds no store but
    /// tables of another program under the names of the collections.
    ///
    /// # Errors
    /// As [`open`](Self::open), with why such tables cannot be read.
    pub(crate) async fn open_any(
        settings: SqlSettings,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let shared = Arc::new(Shared::new(&settings, options)?);
        let known = shared.read_catalog("open").await?;
        match check(&shared, &known).await {
            Ok(()) => Ok(Arc::new(Self::on(shared))),
            Err(refusal) if known.prepared => Err(refusal),
            Err(refusal) => existing::open(shared, refusal).await,
        }
    }

    fn on(shared: Arc<Shared>) -> Self {
        let capabilities = Capabilities::new(shared.options.max_entity_bytes)
            .with_durable(true)
            .with_multi_process(true)
            .with_max_scan_segments(64)
            .with_indexes_after_load(true)
            .with_indexes(true)
            .with_aggregates(true)
            .with_changes(true)
            .with_history(true)
            .with_fence(true)
            .with_levels(match shared.replicas {
                Some(_) => LevelCosts::REPLICAS,
                None => LevelCosts::STRONG,
            })
            .with_read_only(shared.options.read_only);
        Self { shared, capabilities }
    }

    /// Each collection of `of`, which are prepared.
    async fn tables<'a>(
        &self,
        operation: &'static str,
        of: impl Iterator<Item = &'a CollectionName>,
    ) -> Result<BTreeMap<CollectionName, Arc<Table>>> {
        let mut tables = BTreeMap::new();
        for collection in of {
            if !tables.contains_key(collection) {
                let table = self.shared.table(operation, collection).await?;
                tables.insert(collection.clone(), table);
            }
        }
        Ok(tables)
    }

    fn check_document(
        &self,
        tables: &BTreeMap<CollectionName, Arc<Table>>,
        collection: &CollectionName,
        id: &EntityId,
        document: &repo_core::Document,
    ) -> Result<()> {
        let limit = self.shared.options.max_entity_bytes;
        match tables.get(collection) {
            Some(table) => table.schema.check_document(id, document, limit),
            None => Ok(()),
        }
    }
}

/// Refuses what is not ours in the place of a declared collection, and, for
/// reading only, a database without a store.
async fn check(shared: &Shared, known: &Catalog) -> Result<()> {
    if !shared.options.read_only {
        super::check::encoding(shared, "open").await?;
    }
    let new: Vec<CollectionSchema> = shared
        .options
        .schemas
        .iter()
        .filter(|schema| !known.tables.contains_key(&schema.collection))
        .filter(|schema| shared.options.selects(schema.collection.as_str()))
        .cloned()
        .collect();
    match inspect::refuse_foreign(shared, "open", &new).await {
        // It cannot be prepared here; `prepare` says so.
        Err(error) if error.kind() == ErrorKind::Unsupported => {}
        other => other?,
    }
    if !known.prepared && shared.options.read_only {
        return Err(Error::new(ErrorKind::NotFound, "open", "the database holds no store")
            .with("store", &shared.location)
            .hint(format!("check `name` and `schema`; a store is made with {}", Action::Prepare)));
    }
    Ok(())
}

#[async_trait]
impl StorageStrategy for PostgresStrategy {
    fn location(&self) -> &str {
        &self.shared.location
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        identity::read(&self.shared).await
    }

    async fn unfinished_job_afresh(&self) -> Result<Option<UnfinishedJob>> {
        if !self.is_prepared().await? {
            return Ok(None);
        }
        identity::unfinished_job_afresh(&self.shared).await
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.shared.check_writable("prepare")?;
        prepare::prepare(&self.shared, schemas, NewIndexes::Made).await
    }

    async fn prepare_for_load(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.shared.check_writable("prepare")?;
        prepare::prepare(&self.shared, schemas, NewIndexes::Left).await
    }

    async fn upgrade_layout(&self) -> Result<Option<u32>> {
        self.shared.check_writable(upgrade::OPERATION)?;
        upgrade::upgrade(&self.shared).await
    }

    async fn check_prepare(&self, schemas: &[CollectionSchema]) -> Result<()> {
        self.shared.check_open("prepare")?;
        super::check::prepare(&self.shared, schemas).await
    }

    async fn collections(&self) -> Result<Vec<CollectionName>> {
        self.shared.check_open("collections")?;
        let known = self.shared.read_catalog("collections").await?;
        Ok(known.tables.keys().cloned().collect())
    }

    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        let level = self.level("get", None).await?;
        let table = self.shared.table("get", collection).await?;
        read::get_many(&self.shared, &table, "get", ids, level).await
    }

    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page> {
        let level = self.level("query", Some(query.consistency())).await?;
        let table = self.shared.table("query", collection).await?;
        match read::query(&self.shared, &table, query, level).await {
            // Another process may have changed the columns that the
            // statement names.
            Err(error) if error.kind() == ErrorKind::Foreign => {
                self.shared.read_catalog("query").await?;
                let table = self.shared.table("query", collection).await?;
                read::query(&self.shared, &table, query, level).await
            }
            page => page,
        }
    }

    async fn analyze(&self, collection: &CollectionName, query: &Query) -> Result<QueryAnalysis> {
        // The token of another store is refused; the primary server measures.
        self.level("query", Some(query.consistency())).await?;
        let table = self.shared.table("query", collection).await?;
        match read::analyze(&self.shared, &table, query).await {
            Err(error) if error.kind() == ErrorKind::Foreign => {
                self.shared.read_catalog("query").await?;
                let table = self.shared.table("query", collection).await?;
                read::analyze(&self.shared, &table, query).await
            }
            analysis => analysis,
        }
    }

    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        let level = self.level("count", Some(consistency)).await?;
        let table = self.shared.table("count", collection).await?;
        match read::count(&self.shared, &table, filter, level).await {
            Err(error) if error.kind() == ErrorKind::Foreign => {
                self.shared.read_catalog("count").await?;
                let table = self.shared.table("count", collection).await?;
                read::count(&self.shared, &table, filter, level).await
            }
            count => count,
        }
    }

    async fn aggregate(
        &self,
        collection: &CollectionName,
        aggregation: &Aggregation,
    ) -> Result<Aggregates> {
        let level = self.level("aggregate", Some(aggregation.consistency())).await?;
        let table = self.shared.table("aggregate", collection).await?;
        match aggregate::aggregate(&self.shared, &table, aggregation, level).await {
            Err(error) if error.kind() == ErrorKind::Foreign => {
                self.shared.read_catalog("aggregate").await?;
                let table = self.shared.table("aggregate", collection).await?;
                aggregate::aggregate(&self.shared, &table, aggregation, level).await
            }
            answer => answer,
        }
    }

    async fn scan(
        &self,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        let level = self.level("scan", Some(options.consistency)).await?;
        let options = options.with_consistency(level);
        let table = self.shared.table("scan", collection).await?;
        Ok(scan::stream(Arc::clone(&self.shared), table, options))
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        check_distinct_keys(&writes)?;
        self.shared.check_writable("commit")?;
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let collections = writes.iter().map(|write| &write.key.collection);
        let tables = self.tables("commit", collections).await?;
        for write in &writes {
            if let Change::Put(document) = &write.change {
                self.check_document(&tables, &write.key.collection, &write.key.id, document)?;
            }
        }
        let now = self.shared.options.clock.now();
        let done = match (writes.as_slice(), tables.values().next()) {
            ([write], Some(table)) if write.attribution.is_none() => {
                single::write(&self.shared, table, write, now).await.map(|written| vec![written])
            }
            _ => commit::commit(&self.shared, &tables, &writes, now).await,
        };
        self.shared.wrote();
        match done {
            Err(error) => Err(role::explained(&self.shared, "commit", error).await),
            done => done,
        }
    }

    async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>> {
        self.shared.check_writable("apply")?;
        let tables = self.tables("apply", records.iter().map(Record::collection)).await?;
        for record in &records {
            if let Record::Live(entity) = record {
                self.check_document(&tables, &entity.collection, &entity.id, &entity.document)?;
            }
        }
        let applied = apply::apply(&self.shared, &records).await;
        self.shared.wrote();
        match applied {
            Err(error) => Err(role::explained(&self.shared, "apply", error).await),
            applied => applied,
        }
    }

    async fn purge(&self, collection: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        self.shared.check_writable("purge")?;
        let table = self.shared.table("purge", collection).await?;
        let purged = upkeep::purge(&self.shared, &table, older_than).await;
        self.shared.wrote();
        purged
    }

    async fn token(&self) -> Result<Token> {
        self.shared.check_open(tokens::OPERATION)?;
        let id = match self.shared.store_id.get() {
            Some(id) => *id,
            None => match self.store_record().await?.id {
                Some(id) => *self.shared.store_id.get_or_init(|| id),
                None => return Err(never_prepared(tokens::OPERATION, &self.shared.location)),
            },
        };
        tokens::take(&self.shared, id).await
    }

    async fn store_record(&self) -> Result<StoreRecord> {
        self.shared.check_open(store_record::READ)?;
        if !self.is_prepared().await? {
            return Ok(StoreRecord::new(LAYOUT_VERSION));
        }
        store_record::read(&self.shared).await
    }

    async fn update_store_record(&self, update: StoreUpdate) -> Result<StoreRecord> {
        self.shared.check_writable(store_record::UPDATE)?;
        if !self.is_prepared().await? {
            return Err(never_prepared(store_record::UPDATE, &self.shared.location));
        }
        store_record::update(&self.shared, update).await
    }

    async fn checkpoint(&self) -> Result<()> {
        self.shared.check_writable("checkpoint")
    }

    async fn health(&self, depth: &HealthDepth) -> Result<Health> {
        self.shared.check_open("health")?;
        let mut health = upkeep::health(&self.shared).await;
        if let HealthDepth::Deep(progress) = depth
            && health.is_ok()
        {
            health.checks.extend(check_records(self, progress).await);
        }
        Ok(health)
    }

    async fn close(&self) -> Result<()> {
        self.shared.close();
        Ok(())
    }

    async fn oldest_transaction(&self) -> Result<Option<OpenTransaction>> {
        self.shared.check_open("find the oldest transaction")?;
        capture::oldest_transaction(&self.shared).await
    }

    async fn changes(&self, after: Option<&FeedPosition>, most: NonZeroUsize) -> Result<Changes> {
        self.shared.check_writable(feed::READ)?;
        let (captured, next) = feed::read(&self.shared, after, most).await?;
        Ok(Changes::new(with_records(self, captured).await?, next))
    }

    async fn head(&self) -> Result<FeedPosition> {
        self.shared.check_writable(feed::READ)?;
        feed::head(&self.shared).await
    }

    async fn older_versions(
        &self,
        collection: &CollectionName,
        of: &[OlderThan],
        most: NonZeroUsize,
    ) -> Result<Vec<OlderVersion>> {
        let table = self.shared.table(history::READ, collection).await?;
        history::older(&self.shared, &table, of, most).await
    }

    async fn attributions(
        &self,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> Result<Vec<Option<Attribution>>> {
        let table = self.shared.table(history::READ, collection).await?;
        history::attributions(&self.shared, &table, of).await
    }

    async fn scrub(&self, collection: &CollectionName, ids: &[EntityId]) -> Result<Vec<Remnant>> {
        self.shared.check_writable("scrub a record")?;
        check_none_is_live(self, collection, ids).await?;
        let table = self.shared.table("scrub a record", collection).await?;
        upkeep::scrub(&self.shared, &table).await
    }

    async fn write_versions(
        &self,
        collection: &CollectionName,
        writes: Vec<VersionWrite>,
    ) -> Result<Vec<Applied>> {
        self.shared.check_writable(history::WRITE)?;
        check_version_writes(&writes)?;
        let table = self.shared.table(history::WRITE, collection).await?;
        history::write(&self.shared, &table, &writes).await
    }

    async fn trim_changes(&self, through: &FeedPosition) -> Result<()> {
        self.shared.check_writable(feed::TRIM)?;
        feed::trim(&self.shared, through).await
    }

    async fn system_item(&self, collection: SystemCollection, key: &str) -> Result<Option<String>> {
        self.shared.check_open(items::READ)?;
        items::get(&self.shared, collection, key).await
    }

    async fn system_items(
        &self,
        collection: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Result<Vec<SystemItem>> {
        self.shared.check_open(items::READ)?;
        items::list(&self.shared, collection, (prefix, after, most)).await
    }

    async fn write_system_items(&self, writes: Vec<SystemWrite>) -> Result<()> {
        self.shared.check_writable(items::WRITE)?;
        SystemWrite::check_all(&writes)?;
        items::write(&self.shared, writes).await
    }
}

impl PostgresStrategy {
    /// The level of a read that is being made; `asked` is what it asks for itself.
    async fn level(
        &self,
        operation: &'static str,
        asked: Option<Consistency>,
    ) -> Result<Consistency> {
        let known = self.shared.store_id.get().copied();
        let level = level_knowing(self, operation, asked, known).await?;
        if let Consistency::AtLeast(token) = level {
            // The first one stays; it only saves reading the store's record.
            let _ = self.shared.store_id.set(token.store());
        }
        Ok(level)
    }

    async fn is_prepared(&self) -> Result<bool> {
        if self.shared.known.get().prepared {
            return Ok(true);
        }
        Ok(self.shared.read_catalog("open").await?.prepared)
    }
}
