//! Short words that the behaviours are written in.

use repo_core::strategy::{
    JobFingerprint, JobId, JobKind, Record, ScanOptions, StorageStrategyExt as _, StoreUpdate,
    Tombstone, UnfinishedJob,
};
use repo_core::{
    CollectionName, Consistency, Document, Entity, EntityId, Error, ErrorKind, Filter, Key,
    Precondition, Query, Result, Timestamp, Version, Write, Written,
};

use crate::Store;
pub(crate) use crate::batches;
pub(crate) use crate::fixture::id_field;

/// The collections of the fixture.
pub(crate) const COLLECTIONS: [&str; 3] = ["items", "notes", "things"];

/// A collection name.
pub(crate) fn collection(name: &str) -> CollectionName {
    CollectionName::new(name).unwrap()
}

/// An id.
pub(crate) fn id(text: &str) -> EntityId {
    EntityId::new(text).unwrap()
}

/// A key.
pub(crate) fn key(collection_name: &str, id_text: &str) -> Key {
    Key::new(collection(collection_name), id(id_text))
}

/// A version.
pub(crate) fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

/// A job of this kind, for the store's own record.
pub(crate) fn job(kind: JobKind, fingerprint: &str, progress: &str) -> UnfinishedJob {
    UnfinishedJob::new(job_id(kind, fingerprint), progress).unwrap()
}

/// Which job it is.
pub(crate) fn job_id(kind: JobKind, fingerprint: &str) -> JobId {
    JobId::new(kind, JobFingerprint::new(fingerprint).unwrap())
}

/// Keeps another job in the store's own record.
pub(crate) async fn set_job(
    store: &Store,
    expected: Option<JobId>,
    job: Option<UnfinishedJob>,
) -> Result<Option<UnfinishedJob>> {
    Ok(store.update_store_record(StoreUpdate::Job { expected, job }).await?.job)
}

/// A filter.
pub(crate) fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A document for a key; `fields` is JSON text such as `"n": 1, "s": "x"`.
pub(crate) fn document(key: &Key, fields: &str) -> Document {
    let id = json_string(key.id.as_str());
    let comma = if fields.is_empty() { "" } else { "," };
    let name = id_field(key.collection.as_str());
    let text = format!("{{\"{name}\":{id}{comma}{fields}}}");
    Document::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A JSON string with this content.
pub(crate) fn json_string(content: &str) -> String {
    serde_json::to_string(content).unwrap()
}

/// An unconditional put.
pub(crate) fn put(key: &Key, fields: &str) -> Write {
    put_if(key, fields, Precondition::Any)
}

/// A conditional put.
pub(crate) fn put_if(key: &Key, fields: &str, precondition: Precondition) -> Write {
    Write::put(key.clone(), document(key, fields), precondition)
}

/// A live record as another store might send it; both times are `micros`.
pub(crate) fn live(key: &Key, number: u64, fields: &str, micros: i64) -> Record {
    let at = Timestamp::from_micros(micros).unwrap();
    Record::Live(Entity {
        collection: key.collection.clone(),
        id: key.id.clone(),
        version: version(number),
        created_at: at,
        updated_at: at,
        document: document(key, fields),
    })
}

/// A tombstone as another store might send it.
pub(crate) fn tombstone(key: &Key, number: u64, micros: i64) -> Record {
    Record::Tombstone(Tombstone {
        collection: key.collection.clone(),
        id: key.id.clone(),
        version: version(number),
        deleted_at: Timestamp::from_micros(micros).unwrap(),
    })
}

/// Commits all writes, in as few commits as the store's limits allow.
pub(crate) async fn fill(store: &Store, writes: Vec<Write>) {
    let capabilities = *store.capabilities();
    let most_keys = capabilities.max_commit_keys.unwrap_or(2_000);
    let most_bytes = capabilities.max_commit_bytes.unwrap_or(4_000_000);
    let mut batch = Vec::new();
    let mut bytes = 0;
    for write in writes {
        let size = match &write.change {
            repo_core::Change::Put(document) => document.size() + 1_000,
            _ => 1_000,
        };
        if batch.len() == most_keys || (bytes + size > most_bytes && !batch.is_empty()) {
            store.commit(std::mem::take(&mut batch)).await.unwrap();
            bytes = 0;
        }
        batch.push(write);
        bytes += size;
    }
    store.commit(batch).await.unwrap();
}

/// Saves one document and returns its version.
pub(crate) async fn save(store: &Store, key: &Key, fields: &str) -> u64 {
    store.save(key.clone(), document(key, fields)).await.unwrap().version.get()
}

/// Deletes what is there and returns the version of the tombstone.
pub(crate) async fn delete(store: &Store, key: &Key) -> u64 {
    store.delete(key.clone()).await.unwrap().expect("it was there").get()
}

/// The record under a key, a tombstone too.
pub(crate) async fn record(store: &Store, key: &Key) -> Option<Record> {
    let ids = std::slice::from_ref(&key.id);
    let mut records = store.get_many(&key.collection, ids).await.unwrap();
    assert_eq!(records.len(), 1);
    records.remove(0)
}

/// The live entity under a key.
pub(crate) async fn entity(store: &Store, key: &Key) -> Entity {
    record(store, key).await.and_then(Record::into_live).expect("a live entity")
}

/// Every entity of a query, page after page, strong.
pub(crate) async fn find(store: &Store, collection_name: &str, query: Query) -> Vec<Entity> {
    let name = collection(collection_name);
    let (mut query, mut found) = (query.strong(), Vec::new());
    loop {
        let page = store.query(&name, &query).await.unwrap();
        found.extend(page.entities);
        match page.next {
            Some(cursor) => query = query.after(cursor),
            None => return found,
        }
        assert!(found.len() < 100_000, "the pages do not end");
    }
}

/// The ids of a query, in its order.
pub(crate) async fn find_ids(store: &Store, collection_name: &str, query: Query) -> Vec<String> {
    find(store, collection_name, query).await.iter().map(|e| e.id.to_string()).collect()
}

/// How many live entities match, strong.
pub(crate) async fn count(store: &Store, collection_name: &str, filter: &Filter) -> u64 {
    store.count(&collection(collection_name), filter, Consistency::Strong).await.unwrap()
}

/// Every record of a scan, in the order in which it comes.
pub(crate) async fn scan(
    store: &Store,
    collection_name: &str,
    options: ScanOptions,
) -> Result<Vec<Record>> {
    let options = options.with_consistency(Consistency::Strong);
    let stream = store.scan(&collection(collection_name), options).await?;
    Ok(batches(stream).await?.concat())
}

/// Every record of one collection, by id.
pub(crate) async fn records(store: &Store, collection_name: &str) -> Vec<Record> {
    let mut all = scan(store, collection_name, ScanOptions::default()).await.unwrap();
    all.sort_by_key(|record| record.id().clone());
    all
}

/// Everything that the store holds, for comparing before and after.
pub(crate) async fn everything(store: &Store) -> Vec<Record> {
    let mut all = Vec::new();
    for name in COLLECTIONS {
        all.extend(records(store, name).await);
    }
    all
}

/// The kind of the error that a call has to give.
#[track_caller]
pub(crate) fn refused<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("the call went through where it has to be refused"),
        Err(error) => error,
    }
}

/// Asserts the kind of the error that a call has to give.
#[track_caller]
pub(crate) fn assert_kind<T>(result: Result<T>, kind: ErrorKind) -> Error {
    let error = refused(result);
    assert_eq!(error.kind(), kind, "{error:?}");
    let names = !error.failed_preconditions().is_empty();
    assert!(names || kind != ErrorKind::Conflict, "a conflict names what failed: {error:?}");
    error
}

/// The kind of an error with its failed preconditions: which id, what was
/// expected, which version was there. By id.
pub(crate) fn failures(error: &Error) -> Vec<(String, Precondition, Option<u64>)> {
    let mut failures: Vec<_> = error
        .failed_preconditions()
        .iter()
        .map(|f| (f.key.to_string(), f.expected, f.actual.map(Version::get)))
        .collect();
    failures.sort_by(|a, b| a.0.cmp(&b.0));
    failures
}

/// A commit under contention: `Unavailable` means that nothing was written and
/// that the same commit may be tried again.
pub(crate) async fn commit_through(store: &Store, writes: &[Write]) -> Result<Vec<Written>> {
    loop {
        match store.commit(writes.to_vec()).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => tokio::task::yield_now().await,
            answer => return answer,
        }
    }
}

/// How often a race is tried: `usual` times, or as often as
/// `REPO_TESTKIT_TRIES` asks for.
pub(crate) fn tries(usual: usize) -> usize {
    match std::env::var("REPO_TESTKIT_TRIES") {
        Ok(text) => {
            text.parse().unwrap_or_else(|_| panic!("REPO_TESTKIT_TRIES={text} is not a number"))
        }
        Err(_) => usual,
    }
}

/// A small pseudo-random sequence, the same in every run (SplitMix64).
pub(crate) struct Sequence(pub(crate) u64);

impl Sequence {
    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
