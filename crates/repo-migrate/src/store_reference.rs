//! One side of a run: its store, and its name in errors.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::future::ready;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{
    Applied, CollectionState, JobKind, PhysicalIdentity, Prepared, Purged, Record, RecordBatch,
    RecordStream, ScanOptions, Segment, StateMark, StorageStrategy, StoreRecord, StoreUpdate,
    UnfinishedJob, as_stored,
};
use repo_core::{
    CollectionName, Consistency, EntityId, Error, ErrorKind, Filter, Result, Timestamp, Write,
    Written,
};

use crate::prefetch::prefetch;

/// The store that records come from, or the one that they go to.
#[derive(Debug, Clone)]
pub(crate) struct StoreReference {
    name: &'static str,
    pub(crate) store: Arc<dyn StorageStrategy>,
}

impl StoreReference {
    pub(crate) fn source(store: &Arc<dyn StorageStrategy>) -> Self {
        Self { name: "source", store: Arc::clone(store) }
    }

    pub(crate) fn target(store: &Arc<dyn StorageStrategy>) -> Self {
        Self { name: "target", store: Arc::clone(store) }
    }

    /// The one store of a run that has no other side.
    pub(crate) fn only(store: &Arc<dyn StorageStrategy>) -> Self {
        Self { name: "", store: Arc::clone(store) }
    }

    /// A store under a name of the caller.
    #[cfg(feature = "blobs")]
    pub(crate) fn named(store: &Arc<dyn StorageStrategy>, name: &'static str) -> Self {
        Self { name, store: Arc::clone(store) }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn location(&self) -> &str {
        self.store.location()
    }

    /// What another program made and this side only reads, in words.
    pub(crate) fn foreign(&self) -> Option<&str> {
        self.store.foreign()
    }

    /// Whether the versions that it reads are made up.
    pub(crate) async fn invents_versions(&self) -> Result<bool> {
        self.store.invents_versions().await.map_err(|error| self.err(error))
    }

    pub(crate) fn capabilities(&self) -> &repo_core::strategy::Capabilities {
        self.store.capabilities()
    }

    /// Says in an error which side it comes from.
    pub(crate) fn err(&self, error: Error) -> Error {
        let error = if self.name.is_empty() { error } else { error.with("side", self.name) };
        match error.context_value("store") {
            Some(_) => error,
            None => error.with("store", self.store.location()),
        }
    }

    /// The store's own record; an empty one for a store that `prepare` has yet
    /// to make. A mark of a run that looks whether two stores are one is no
    /// migration.
    pub(crate) async fn record(&self) -> Result<StoreRecord> {
        match self.store.store_record().await {
            Ok(record) => {
                let job = record.job.clone().filter(|job| job.kind() != JobKind::Mark);
                Ok(record.with_job(job))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(StoreRecord::default()),
            Err(error) => Err(self.err(error)),
        }
    }

    /// What tells its store from others without a write.
    pub(crate) async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.store.physical_identity().await.map_err(|error| self.err(error))
    }

    /// The unfinished job of its store, over a connection of its own.
    pub(crate) async fn unfinished_job_afresh(&self) -> Result<Option<UnfinishedJob>> {
        match self.store.unfinished_job_afresh().await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            state => state.map_err(|error| self.err(error)),
        }
    }

    /// A mark of the present state; `None` where the store has none to give.
    /// What keeps it from that will keep it from being read, and be reported then.
    pub(crate) async fn state_mark(&self) -> Option<StateMark> {
        self.store.state_mark().await.unwrap_or_else(|error| {
            tracing::debug!(%error, "no mark of the state");
            None
        })
    }

    /// The prepared collections with their states.
    pub(crate) async fn collections(&self) -> Result<BTreeMap<CollectionName, CollectionState>> {
        let names = match self.store.collections().await {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            names => names.map_err(|error| self.err(error))?,
        };
        let mut states = self.record().await?.collections;
        Ok(names
            .into_iter()
            .map(|name| {
                let unknown = CollectionState::new(1, 0);
                let state = states.remove(&name).unwrap_or(unknown);
                (name, state)
            })
            .collect())
    }

    /// How many live entities a collection holds.
    pub(crate) async fn count(&self, collection: &CollectionName) -> Result<u64> {
        let all = Filter::default();
        as_stored(self.store.count(collection, &all, Consistency::Eventual))
            .await
            .map_err(|error| self.err(error))
    }

    /// The records of a segment in batches, tombstones too. What a store that
    /// was opened to read past it cannot read is left out:
    /// [`checked_batches`](crate::check::batch::checked_batches) has reported it.
    pub(crate) async fn scan(
        &self,
        collection: &CollectionName,
        segment: Segment,
        batch_size: NonZeroUsize,
    ) -> Result<BoxStream<'static, Result<Vec<Record>>>> {
        let batches = self.scan_batches(collection, segment, batch_size).await?;
        Ok(readable(batches))
    }

    /// The same with those that cannot be read.
    async fn scan_batches(
        &self,
        collection: &CollectionName,
        segment: Segment,
        batch_size: NonZeroUsize,
    ) -> Result<RecordStream> {
        let options = ScanOptions::default()
            .with_segment(segment)
            .with_batch_size(batch_size)
            .with_consistency(Consistency::Strong);
        // What has outlived its time moves as well, until it is swept: versions must not fall.
        let stream = as_stored(self.store.scan(collection, options)).await;
        let stream = stream.map_err(|error| self.err(error))?;
        let side = self.clone();
        Ok(stream.map(move |batch| batch.map_err(|error| side.err(error))).boxed())
    }

    /// All records in batches, in no order: read in up to `readers` segments
    /// at a time where that is quicker.
    pub(crate) async fn scan_all(
        &self,
        collection: &CollectionName,
        batch_size: NonZeroUsize,
        readers: usize,
    ) -> Result<BoxStream<'static, Result<Vec<Record>>>> {
        let batches = self.scan_all_batches(collection, batch_size, readers).await?;
        Ok(readable(batches))
    }

    /// The same, for a caller that needs each of them: the first that cannot be
    /// read ends the stream with its error.
    pub(crate) async fn scan_every_one(
        &self,
        collection: &CollectionName,
        batch_size: NonZeroUsize,
        readers: usize,
    ) -> Result<BoxStream<'static, Result<Vec<Record>>>> {
        let batches = self.scan_all_batches(collection, batch_size, readers).await?;
        let side = self.clone();
        let records =
            move |batch: RecordBatch| ready(batch.into_records().map_err(|error| side.err(error)));
        Ok(batches.and_then(records).boxed())
    }

    /// The same, read ahead, with those that cannot be read.
    pub(crate) async fn scan_all_batches(
        &self,
        collection: &CollectionName,
        batch_size: NonZeroUsize,
        readers: usize,
    ) -> Result<RecordStream> {
        let capabilities = self.capabilities();
        let readers = if capabilities.parallel_scan { readers } else { 1 };
        let most = readers.min(capabilities.max_scan_segments);
        let count = NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN);
        let mut segments = Vec::with_capacity(count.get());
        for segment in Segment::split(count) {
            let scan = self.scan_batches(collection, segment, batch_size).await?;
            segments.push(prefetch(scan));
        }
        Ok(futures::stream::select_all(segments).boxed())
    }

    /// Whether a collection holds any record, a tombstone too.
    pub(crate) async fn holds_records(&self, collection: &CollectionName) -> Result<bool> {
        let mut scan = self.scan(collection, Segment::ALL, NonZeroUsize::MIN).await?;
        Ok(scan.next().await.transpose()?.is_some())
    }

    pub(crate) async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        let records = as_stored(self.store.get_many(collection, ids)).await;
        let records = records.map_err(|error| self.err(error))?;
        self.expect_answers(records.len(), ids.len())?;
        Ok(records)
    }

    /// What is under each of these ids, also where that cannot be read: then
    /// the ids are asked for in ever smaller parts, until it is known which.
    pub(crate) async fn held(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<HeldRecord>> {
        let mut parts = vec![ids];
        let mut held = Vec::with_capacity(ids.len());
        while let Some(part) = parts.pop() {
            match self.get_many(collection, part).await {
                Ok(records) => held.extend(records.into_iter().map(HeldRecord::from)),
                Err(error) if !is_about_a_record(&error) => return Err(error),
                Err(_) if part.len() == 1 => held.push(HeldRecord::Unreadable),
                Err(_) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    // The last one that is put there is taken first.
                    parts.extend([second, first]);
                }
            }
        }
        Ok(held)
    }

    pub(crate) async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>> {
        let asked = records.len();
        let answers = self.store.apply(records).await.map_err(|error| self.err(error))?;
        self.expect_answers(answers.len(), asked)?;
        Ok(answers)
    }

    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        let asked = writes.len();
        let answers = as_stored(self.store.commit(writes)).await;
        let answers = answers.map_err(|error| self.err(error))?;
        self.expect_answers(answers.len(), asked)?;
        Ok(answers)
    }

    /// A store that answers for fewer records than asked would otherwise make
    /// the counts lie.
    pub(crate) fn expect_answers(&self, answers: usize, asked: usize) -> Result<()> {
        if answers == asked {
            return Ok(());
        }
        Err(self.err(
            Error::new(ErrorKind::Corrupt, "migrate", "the store answered for another number")
                .with("asked", asked)
                .with("answered", answers),
        ))
    }

    pub(crate) async fn purge(
        &self,
        collection: &CollectionName,
        older_than: Timestamp,
    ) -> Result<Purged> {
        self.store.purge(collection, older_than).await.map_err(|error| self.err(error))
    }

    pub(crate) async fn check_prepare(
        &self,
        schemas: &[repo_core::CollectionSchema],
    ) -> Result<()> {
        self.store.check_prepare(schemas).await.map_err(|error| self.err(error))
    }

    pub(crate) async fn prepare(
        &self,
        schemas: &[repo_core::CollectionSchema],
    ) -> Result<Vec<Prepared>> {
        self.store.prepare(schemas).await.map_err(|error| self.err(error))
    }

    pub(crate) async fn prepare_for_load(
        &self,
        schemas: &[repo_core::CollectionSchema],
    ) -> Result<Vec<Prepared>> {
        self.store.prepare_for_load(schemas).await.map_err(|error| self.err(error))
    }

    pub(crate) async fn update(&self, update: StoreUpdate) -> Result<StoreRecord> {
        self.store.update_store_record(update).await.map_err(|error| self.err(error))
    }
}

/// What a store holds under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeldRecord {
    Nothing,
    Record(Record),
    /// Something that cannot be read.
    Unreadable,
}

impl From<Option<Record>> for HeldRecord {
    fn from(record: Option<Record>) -> Self {
        record.map_or(Self::Nothing, Self::Record)
    }
}

/// Whether a read failed for one record, and not for the store as a whole.
fn is_about_a_record(error: &Error) -> bool {
    error.kind() == ErrorKind::Corrupt
        && ["key", "id"].iter().any(|name| error.context_value(name).is_some())
}

/// The records of batches, without those that cannot be read.
fn readable(batches: RecordStream) -> BoxStream<'static, Result<Vec<Record>>> {
    let records = batches.map_ok(|batch| batch.records);
    records.try_filter(|records| ready(!records.is_empty())).boxed()
}

/// Runs work that computes or blocks where it does not hold up the runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(Error::new(
            ErrorKind::Unavailable,
            "migrate",
            "the program ended before the work was done",
        )
        .caused_by(error)),
    }
}

/// How many batches are computed at the same time.
pub(crate) fn lanes() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8))
}
