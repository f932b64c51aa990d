//! Checking the entities of a data file against the rules of the contract, on
//! several threads where there are many: reading the structure of a file is
//! much quicker than checking what it holds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use plain_json::{SetAside, escape};
use repo_core::{CollectionSchema, Document, EntityId, Error, Result};

use crate::errors;
use crate::table::{NO_DIGEST, Place, ShortDigest, Slot, Table};

/// Entities that go to a thread together, in bytes of text.
const BATCH_BYTES: usize = 256 * 1_024;
/// Most threads that check.
const MOST_THREADS: usize = 3;

/// What the entities of one collection are checked against.
pub(super) struct Checker<'a> {
    pub(super) path: &'a Path,
    pub(super) schema: Arc<CollectionSchema>,
    /// The JSON Pointer of the collection.
    pub(super) pointer: &'a str,
    pub(super) max_entity_bytes: usize,
    pub(super) digests: bool,
    /// Whether an entity that breaks a rule is set aside.
    pub(super) set_aside: bool,
    /// The times that an entity gets, in microseconds since 1970.
    pub(super) time: i64,
}

/// An entity as it stands in the file.
#[derive(Debug)]
struct Entry {
    key: String,
    key_offset: u64,
    offset: u64,
    /// Its text in the batch.
    start: usize,
    len: usize,
}

/// An entity that was checked.
#[derive(Debug)]
enum Checked {
    /// It keeps all rules.
    Entity { key: String, slot: Slot, digest: ShortDigest },
    /// It does not, and is left out of the table.
    SetAside(SetAside),
}

/// Entities that are checked together.
#[derive(Debug, Default)]
struct Batch {
    entries: Vec<Entry>,
    text: Vec<u8>,
}

impl Checker<'_> {
    fn batch(&self, batch: Batch) -> Result<Vec<Checked>> {
        let Batch { entries, text } = batch;
        entries
            .into_iter()
            .map(|entry| {
                let raw = text.get(entry.start..entry.start + entry.len).unwrap_or_default();
                match self.entity(&entry, raw) {
                    Ok((slot, digest)) => Ok(Checked::Entity { key: entry.key, slot, digest }),
                    Err(error) if self.set_aside => {
                        Ok(Checked::SetAside(SetAside::new(entry.key, raw, error)))
                    }
                    Err(error) => Err(error),
                }
            })
            .collect()
    }

    fn entity(&self, entry: &Entry, raw: &[u8]) -> Result<(Slot, ShortDigest)> {
        let (path, offset) = (self.path, entry.offset);
        let pointer = || format!("{}/{}", self.pointer, escape(&entry.key));
        let named = |error: Error| {
            error.with("collection", &self.schema.collection).with("key", &entry.key)
        };
        let document = plain_json::utf8(raw)
            .and_then(Document::read)
            .map_err(|error| errors::document(path, offset, &pointer(), &error, self.set_aside))
            .map_err(named)?;
        let id = EntityId::new(&entry.key).map_err(|error| {
            named(errors::refused(path, entry.key_offset, &pointer(), error.message()))
        })?;
        self.schema.check_document(&id, &document, self.max_entity_bytes).map_err(|error| {
            let within = error.context_value("pointer").unwrap_or_default();
            let pointer = format!("{}{within}", pointer());
            let refused = errors::refused(path, offset, &pointer, error.message());
            named(errors::with_figures(refused, &error))
        })?;
        let slot = Slot {
            version: 1,
            created_at: self.time,
            updated_at: self.time,
            offset,
            len: u32::try_from(raw.len()).unwrap_or(u32::MAX),
            place: Place::Data,
        };
        Ok((slot, if self.digests { short_digest(&document) } else { NO_DIGEST }))
    }
}

/// The first half of the digest of a document.
pub(crate) fn short_digest(document: &Document) -> ShortDigest {
    let digest = document.digest();
    let mut short = [0; 16];
    short.copy_from_slice(&digest.as_bytes()[..16]);
    short
}

type Job = (usize, Batch);
type Done = (usize, Result<Vec<Checked>>);

/// The entities of a collection on their way into its table, in the order of
/// the file. Threads are started when there is more than one batch.
pub(super) struct Pool<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    checker: &'env Checker<'env>,
    batch: Batch,
    jobs: Option<SyncSender<Job>>,
    done: (Sender<Done>, Receiver<Done>),
    sent: usize,
    /// Batches that came back before one that was sent earlier.
    early: BTreeMap<usize, Result<Vec<Checked>>>,
    /// Batches that are in the table.
    placed: usize,
    table: Table,
    in_order: bool,
    /// The first error in the order of the file; nothing is placed after it.
    failed: Option<Error>,
}

impl<'scope, 'env> Pool<'scope, 'env> {
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, checker: &'env Checker<'env>) -> Self {
        Self {
            scope,
            checker,
            batch: Batch::default(),
            jobs: None,
            done: channel(),
            sent: 0,
            early: BTreeMap::new(),
            placed: 0,
            table: Table::default(),
            in_order: true,
            failed: None,
        }
    }

    /// Takes the next entity of the file. `false` once an entity is known to
    /// break a rule; `finish` then reports which.
    pub(super) fn push(&mut self, key: String, key_offset: u64, offset: u64, raw: &[u8]) -> bool {
        let start = self.batch.text.len();
        self.batch.text.extend_from_slice(raw);
        self.batch.entries.push(Entry { key, key_offset, offset, start, len: raw.len() });
        if self.batch.text.len() < BATCH_BYTES {
            return true;
        }
        let batch = std::mem::take(&mut self.batch);
        self.send(batch);
        while let Ok((at, checked)) = self.done.1.try_recv() {
            self.early.insert(at, checked);
        }
        self.place();
        self.failed.is_none()
    }

    /// Hands a batch to the threads; it waits while they have enough to do.
    fn send(&mut self, batch: Batch) {
        let job = (self.sent, batch);
        self.sent += 1;
        let jobs = match &self.jobs {
            Some(jobs) => jobs,
            None => self.jobs.insert(start(self.scope, self.checker, &self.done.0)),
        };
        if let Err(unsent) = jobs.send(job) {
            // No thread could be started.
            let (at, batch) = unsent.0;
            self.early.insert(at, self.checker.batch(batch));
        }
    }

    /// Puts what is checked into the table, in the order of the file.
    fn place(&mut self) {
        while self.failed.is_none()
            && let Some(checked) = self.early.remove(&self.placed)
        {
            self.placed += 1;
            match checked {
                Ok(checked) => {
                    self.failed = checked.into_iter().find_map(|entity| self.add(entity).err());
                }
                Err(error) => self.failed = Some(error),
            }
        }
    }

    fn add(&mut self, entity: Checked) -> Result<()> {
        match entity {
            Checked::Entity { key, slot, digest } => {
                self.in_order = self.in_order && self.table.is_behind_all(&key);
                self.table.push(&key, slot, digest);
                Ok(())
            }
            Checked::SetAside(entity) => self.table.set_aside.push(entity),
        }
    }

    /// Waits for all, and gives the table and whether its ids ascend.
    ///
    /// # Errors
    /// The first one in the order of the file.
    pub(super) fn finish(mut self) -> Result<(Table, bool)> {
        self.jobs = None;
        // Only the threads can still send, so that waiting for them ends.
        self.done.0 = channel().0;
        let last = std::mem::take(&mut self.batch);
        self.early.insert(self.sent, self.checker.batch(last));
        let all = self.sent + 1;
        self.place();
        while self.failed.is_none() && self.placed < all {
            let path = self.checker.path.display().to_string();
            let lost = |_| errors::interrupted("read a data file", &path);
            let (at, checked) = self.done.1.recv().map_err(lost)?;
            self.early.insert(at, checked);
            self.place();
        }
        if let Some(error) = self.failed {
            return Err(error);
        }
        Ok((self.table, self.in_order))
    }
}

/// Starts the threads that check.
fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    checker: &'scope Checker<'_>,
    done: &Sender<Done>,
) -> SyncSender<Job> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(MOST_THREADS);
    let (jobs, waiting) = sync_channel::<Job>(threads);
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..threads {
        let (waiting, done) = (Arc::clone(&waiting), done.clone());
        let work = move || {
            loop {
                let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok((at, batch)) = job else { return };
                if done.send((at, checker.batch(batch))).is_err() {
                    return;
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, work) {
            tracing::warn!(%error, "a thread could not be started; files are read more slowly");
        }
    }
    jobs
}
