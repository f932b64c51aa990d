//! Stores and records for the tests.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::future::BoxFuture;
use repo_core::strategy::{
    Applied, Capabilities, OlderThan, OlderVersion, OpenOptions, Prepared, Purged, Record,
    RecordBatch, RecordStream, ScanOptions, StateMark, StorageStrategy, StoreRecord, StoreUpdate,
    StoredJob, SystemCollection, SystemItem, SystemWrite, Tombstone, UnfinishedJob, VersionWrite,
};
use repo_core::{
    Attribution, CollectionName, CollectionSchema, Consistency, Document, Entity, EntityId, Error,
    ErrorKind, Filter, Health, HealthDepth, MemoryStrategy, Page, Query, Result, Schemas,
    Timestamp, Version, Write, Written,
};
use repo_migrate::{MigrationOptions, OnConflict, Phase, Progress};

pub type Store = Arc<dyn StorageStrategy>;

pub fn name(text: &str) -> CollectionName {
    text.parse().unwrap()
}

pub fn schema(collection: &str) -> CollectionSchema {
    CollectionSchema::undeclared(name(collection))
}

pub fn schemas(of: &[&str]) -> Schemas {
    of.iter().map(|collection| schema(collection)).collect()
}

pub fn empty() -> Store {
    Arc::new(MemoryStrategy::new(OpenOptions::default()))
}

/// A store of one collection `machines` with these records.
pub async fn store(records: &[Record]) -> Store {
    let store = empty();
    fill(&store, records).await;
    store
}

pub async fn fill(store: &Store, records: &[Record]) {
    store.prepare(&[schema("machines")]).await.unwrap();
    let answers = store.apply(records.to_vec()).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Applied::Applied), "the fixture is applied");
}

pub fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

pub fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

pub fn live(id: &str, number: u64, fields: &str) -> Record {
    let id_text = serde_json::to_string(id).unwrap();
    let comma = if fields.is_empty() { "" } else { "," };
    Record::Live(Entity {
        collection: name("machines"),
        id: EntityId::new(id).unwrap(),
        version: version(number),
        created_at: time(1_000),
        updated_at: time(1_000 + i64::try_from(number).unwrap()),
        document: Document::parse(&format!("{{\"id\":{id_text}{comma}{fields}}}")).unwrap(),
    })
}

pub fn gone(id: &str, number: u64) -> Record {
    Record::Tombstone(Tombstone {
        collection: name("machines"),
        id: EntityId::new(id).unwrap(),
        version: version(number),
        deleted_at: time(2_000),
    })
}

/// `count` records, one in ten a tombstone, of different versions, with
/// numbers that floats would spoil.
pub fn many(count: u64) -> Vec<Record> {
    (0..count)
        .map(|n| {
            let (id, number) = (format!("m-{n:05}"), 1 + n % 7);
            if n % 10 == 3 {
                return gone(&id, number);
            }
            let fields = format!(
                "\"n\":{n}.50,\"big\":1234567890123456789012345678901234{:04},\"tags\":[\"a\",{{\"b\":null}}]",
                n % 10_000
            );
            live(&id, number, &fields)
        })
        .collect()
}

/// Ids that break quoting, paths, patterns and widths.
pub fn hostile() -> Vec<Record> {
    let long = "é".repeat(255);
    let ids = [
        "plain",
        "\"quoted\"",
        "it's",
        "a/b/../c",
        "~1~0",
        "\\back\\slash",
        "😀👩‍🚀",
        "%_*?[x]",
        " spaces ",
        "{\"_version\":1}",
        ",\"_version\":",
        "NULL",
        "ünïcödé",
        "\u{feff}bom",
        &long,
    ];
    let mut records: Vec<Record> = ids
        .iter()
        .enumerate()
        .map(|(at, id)| {
            live(id, at as u64 + 1, "\"o\":{\"_version\":9},\"s\":\"\\u0041\\ud83d\\ude00\"")
        })
        .collect();
    records.push(gone("'; DROP TABLE machines; --", 4));
    records
}

/// All records of a collection, by id.
pub async fn contents(store: &Store, collection: &str) -> Vec<Record> {
    let stream = store.scan(&name(collection), ScanOptions::default()).await.unwrap();
    let mut records = repo_testkit::batches(stream).await.unwrap().concat();
    records.sort_by(|a, b| a.id().cmp(b.id()));
    records
}

/// A job as a store keeps it.
pub fn job(plan: &str, progress: &str) -> UnfinishedJob {
    StoredJob { plan: plan.to_owned(), progress: progress.to_owned() }.into()
}

/// What begins it in a store that has none.
pub fn beginning(plan: &str, progress: &str) -> StoreUpdate {
    StoreUpdate::Job { expected: None, job: Some(job(plan, progress)) }
}

pub fn options() -> MigrationOptions {
    let patience = std::time::Duration::ZERO;
    let (workers, batch_size) = (NonZeroUsize::MIN, NonZeroUsize::new(100).unwrap());
    MigrationOptions { backup: None, batch_size, patience, workers, ..MigrationOptions::default() }
}

pub fn with_backup(folder: &Path) -> MigrationOptions {
    MigrationOptions { backup: Some(folder.to_owned()), ..options() }
}

pub fn on_conflict(on_conflict: OnConflict) -> MigrationOptions {
    MigrationOptions { on_conflict, ..options() }
}

pub fn batches_of(size: usize) -> MigrationOptions {
    MigrationOptions { batch_size: NonZeroUsize::new(size).unwrap(), ..options() }
}

/// Keeps what a run told.
#[derive(Default)]
pub struct Told {
    /// After how many calls of `advance` in the copy the run is to end.
    pub stop_after: Option<usize>,
    pub stopped: tokio::sync::Notify,
    pub asked: std::sync::atomic::AtomicBool,
    pub copies: AtomicU64,
    pub phases: Mutex<Vec<Phase>>,
    pub advanced: Mutex<Vec<(Phase, u64)>>,
    pub warnings: Mutex<Vec<String>>,
}

impl Progress for Told {
    fn phase(&self, phase: Phase, _total: Option<u64>) {
        self.phases.lock().unwrap().push(phase);
        self.advanced.lock().unwrap().push((phase, 0));
    }
    fn advance(&self, _collection: &CollectionName, records: u64) {
        let mut advanced = self.advanced.lock().unwrap();
        let (phase, done) = advanced.last_mut().unwrap();
        *done += records;
        let writes = matches!(phase, Phase::Blobs | Phase::Copy | Phase::Upgrade);
        let calls = self.copies.fetch_add(u64::from(writes), Ordering::SeqCst) + 1;
        if writes && self.stop_after.is_some_and(|most| calls >= most as u64) {
            self.asked.store(true, Ordering::SeqCst);
            self.stopped.notify_waiters();
        }
    }
    fn stopped(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let notified = self.stopped.notified();
            if !self.asked.load(Ordering::SeqCst) {
                notified.await;
            }
        })
    }
    fn warning(&self, text: &str) {
        self.warnings.lock().unwrap().push(text.to_owned());
    }
}

type Hook<T> = Box<dyn Fn(u64, T) -> Result<T> + Send + Sync>;

/// A store that counts writes and can be made to misbehave.
pub struct Probe {
    pub inner: Store,
    /// Another name for it.
    pub renamed: Option<String>,
    /// What this handle says of the store, whatever it is by now.
    pub remembered: Option<StoreRecord>,
    pub writes: AtomicU64,
    pub applies: AtomicU64,
    /// Instead of those of the store.
    pub capabilities: Option<Capabilities>,
    /// Refuses `prepare`, not `prepare_for_load`.
    pub refuses_prepare: bool,
    /// Changes, or refuses, what `apply` is given; the first call is 1.
    pub on_apply: Hook<Vec<Record>>,
    /// Changes, or refuses, what `commit` is given; the first call is 1.
    pub on_commit: Hook<Vec<Write>>,
    /// Changes, or loses, what it answers.
    pub on_committed: Hook<Vec<Written>>,
    pub commits: AtomicU64,
    /// Changes, or refuses, the batches of a scan; the first scan is 1.
    pub on_scan: Arc<Hook<Vec<Record>>>,
    pub scans: AtomicU64,
    /// How often live entities were counted.
    pub counts: AtomicU64,
    /// Runs before a commit; the first one is 1.
    pub before_commit: Option<Box<dyn Fn(u64) -> BoxFuture<'static, ()> + Send + Sync>>,
    /// Changes, or refuses, what `write_versions` is given; the first call is 1.
    pub on_versions: Hook<Vec<VersionWrite>>,
    pub version_writes: AtomicU64,
    /// How often older versions were asked for, and the most that one answer held.
    pub asked_versions: AtomicU64,
    pub most_versions: AtomicU64,
    /// Lets no `apply` end before as many are under way.
    pub gather: Option<tokio::sync::Barrier>,
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probe")
    }
}

impl Probe {
    pub fn new(inner: Store) -> Self {
        Self {
            inner,
            renamed: None,
            remembered: None,
            writes: AtomicU64::new(0),
            applies: AtomicU64::new(0),
            capabilities: None,
            refuses_prepare: false,
            on_apply: Box::new(|_, records| Ok(records)),
            on_commit: Box::new(|_, writes| Ok(writes)),
            on_committed: Box::new(|_, answers| Ok(answers)),
            commits: AtomicU64::new(0),
            on_scan: Arc::new(Box::new(|_, records| Ok(records))),
            scans: AtomicU64::new(0),
            counts: AtomicU64::new(0),
            before_commit: None,
            on_versions: Box::new(|_, writes| Ok(writes)),
            version_writes: AtomicU64::new(0),
            asked_versions: AtomicU64::new(0),
            most_versions: AtomicU64::new(0),
            gather: None,
        }
    }

    pub fn write_count(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    fn wrote(&self) {
        self.writes.fetch_add(1, Ordering::SeqCst);
    }
}

pub fn cut_off() -> Error {
    Error::new(ErrorKind::Unavailable, "apply", "the connection is gone")
}

#[async_trait]
impl StorageStrategy for Probe {
    fn location(&self) -> &str {
        self.renamed.as_deref().unwrap_or_else(|| self.inner.location())
    }
    async fn unfinished_job_afresh(&self) -> Result<Option<UnfinishedJob>> {
        self.inner.unfinished_job_afresh().await
    }
    fn capabilities(&self) -> &Capabilities {
        self.capabilities.as_ref().unwrap_or_else(|| self.inner.capabilities())
    }
    async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.wrote();
        if self.refuses_prepare {
            return Err(cut_off());
        }
        self.inner.prepare(schemas).await
    }
    async fn prepare_for_load(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.wrote();
        self.inner.prepare_for_load(schemas).await
    }
    async fn check_prepare(&self, schemas: &[CollectionSchema]) -> Result<()> {
        self.inner.check_prepare(schemas).await
    }
    async fn collections(&self) -> Result<Vec<CollectionName>> {
        self.inner.collections().await
    }
    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        self.inner.get_many(collection, ids).await
    }
    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page> {
        self.inner.query(collection, query).await
    }
    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        self.counts.fetch_add(1, Ordering::SeqCst);
        self.inner.count(collection, filter, consistency).await
    }
    async fn scan(
        &self,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        use futures::StreamExt as _;
        let number = self.scans.fetch_add(1, Ordering::SeqCst) + 1;
        let hook = Arc::clone(&self.on_scan);
        let stream = self.inner.scan(collection, options).await?;
        let hooked = move |batch: Result<RecordBatch>| {
            hook(number, batch?.into_records()?).map(RecordBatch::from)
        };
        Ok(stream.map(hooked).boxed())
    }
    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        self.wrote();
        let number = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(before) = &self.before_commit {
            before(number).await;
        }
        let answers = self.inner.commit((self.on_commit)(number, writes)?).await?;
        (self.on_committed)(number, answers)
    }
    async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>> {
        self.wrote();
        let number = self.applies.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(gather) = &self.gather {
            gather.wait().await;
        }
        let asked = records.len();
        let mut answers = self.inner.apply((self.on_apply)(number, records)?).await?;
        // A record that was dropped on the way is claimed to be there.
        answers.resize(asked, Applied::Applied);
        Ok(answers)
    }
    async fn purge(&self, collection: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        self.wrote();
        self.inner.purge(collection, older_than).await
    }
    async fn state_mark(&self) -> Result<Option<StateMark>> {
        self.inner.state_mark().await
    }
    async fn store_record(&self) -> Result<StoreRecord> {
        match &self.remembered {
            Some(remembered) => Ok(remembered.clone()),
            None => self.inner.store_record().await,
        }
    }
    async fn update_store_record(&self, update: StoreUpdate) -> Result<StoreRecord> {
        self.wrote();
        self.inner.update_store_record(update).await
    }
    async fn checkpoint(&self) -> Result<()> {
        self.wrote();
        self.inner.checkpoint().await
    }
    async fn health(&self, depth: &HealthDepth) -> Result<Health> {
        self.inner.health(depth).await
    }
    async fn older_versions(
        &self,
        collection: &CollectionName,
        of: &[OlderThan],
        most: NonZeroUsize,
    ) -> Result<Vec<OlderVersion>> {
        self.asked_versions.fetch_add(1, Ordering::SeqCst);
        let found = self.inner.older_versions(collection, of, most).await?;
        self.most_versions.fetch_max(found.len() as u64, Ordering::SeqCst);
        Ok(found)
    }
    async fn attributions(
        &self,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> Result<Vec<Option<Attribution>>> {
        self.asked_versions.fetch_add(1, Ordering::SeqCst);
        self.inner.attributions(collection, of).await
    }
    async fn write_versions(
        &self,
        collection: &CollectionName,
        writes: Vec<VersionWrite>,
    ) -> Result<Vec<Applied>> {
        self.wrote();
        let number = self.version_writes.fetch_add(1, Ordering::SeqCst) + 1;
        let writes = (self.on_versions)(number, writes)?;
        self.inner.write_versions(collection, writes).await
    }
    async fn system_item(&self, of: SystemCollection, key: &str) -> Result<Option<String>> {
        self.inner.system_item(of, key).await
    }
    async fn system_items(
        &self,
        of: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Result<Vec<SystemItem>> {
        self.inner.system_items(of, prefix, after, most).await
    }
    async fn write_system_items(&self, writes: Vec<SystemWrite>) -> Result<()> {
        self.wrote();
        self.inner.write_system_items(writes).await
    }
    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
