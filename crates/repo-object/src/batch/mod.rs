//! One group of requests on its way into one frame: each is decided on what is stored and on
//! what the ones before it in the group will store.

mod own_record;
mod prepare;
mod versions;

pub(crate) use prepare::check_prepare;

use std::collections::HashMap;
use std::num::NonZeroU32;

use repo_core::strategy::{
    Applied, Capture, HistoryState, Purged, Record, StoreRecord, SystemCollection, check_purge,
};
use repo_core::{
    Change, CollectionName, Document, Error, ErrorKind, Key, Result, Timestamp, Version, Write,
    Written,
};

use crate::env::Env;
use crate::errors;
use crate::format::{ByOp, DeleteOp, Op, PutOp, Text};
use crate::hex::Hex16;
use crate::state::State;
use crate::table::size_of_record;

/// The changes of a group.
pub(crate) struct Batch<'s> {
    env: &'s Env,
    state: &'s State,
    records: HashMap<Key, Known>,
    floors: HashMap<CollectionName, u64>,
    record: Option<StoreRecord>,
    feed: Option<Feed>,
    items: HashMap<(SystemCollection, String), Option<String>>,
    /// The number of the last captured change.
    head: u64,
    /// What the group adds to the index, in bytes, at most.
    added: u64,
    ops: Vec<(Op, Option<Document>)>,
}

/// What a key holds, whether stored or pending. Times are microseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Known {
    version: Version,
    created_at: i64,
    updated_at: i64,
    /// `None` for a tombstone.
    digest: Option<Hex16>,
}

/// Who needs the changes of the store, and up to which one they were removed.
#[derive(Debug, Clone, PartialEq)]
struct Feed {
    capture: Capture,
    trimmed: u64,
}

/// What a write leaves.
struct Outcome {
    known: Known,
    document: Option<(Document, Text)>,
}

impl<'s> Batch<'s> {
    pub(crate) fn new(env: &'s Env, state: &'s State) -> Self {
        Self {
            env,
            state,
            records: HashMap::new(),
            floors: HashMap::new(),
            record: None,
            feed: None,
            items: HashMap::new(),
            head: state.head,
            added: 0,
            ops: Vec::new(),
        }
    }

    /// What is to be in the frame.
    pub(crate) fn into_ops(self) -> Vec<(Op, Option<Document>)> {
        self.ops
    }

    /// Makes a frame of a group that changes nothing.
    pub(crate) fn nothing(&mut self) {
        self.ops.push((Op::Nothing, None));
    }

    fn known(&self, operation: &'static str, key: &Key) -> Result<Option<Known>> {
        let table = self.state.table(self.env, operation, &key.collection)?;
        if let Some(pending) = self.records.get(key) {
            return Ok(Some(*pending));
        }
        Ok(table.get(&key.id).map(|slot| Known {
            version: slot.version,
            created_at: slot.created_at,
            updated_at: slot.updated_at,
            digest: slot.place.map(|place| place.digest),
        }))
    }

    fn next_version(&self, key: &Key, known: Option<Known>) -> Result<Version> {
        if let Some(known) = known {
            return known.version.next();
        }
        let stored = self.state.tables.get(&key.collection).map_or(0, |table| table.floor);
        let pending = self.floors.get(&key.collection).copied().unwrap_or(0);
        Version::after(stored.max(pending))
    }

    /// Decides one commit. On an error nothing of it is in the batch.
    pub(crate) fn commit(&mut self, writes: &[Write], now: Timestamp) -> Result<Vec<Written>> {
        self.role().check_commit("commit", &self.env.location)?;
        let mut failed = Vec::new();
        let mut outcomes = Vec::with_capacity(writes.len());
        let mut added = 0;
        for write in writes {
            let known = self.known("commit", &write.key)?;
            if let Change::Put(document) = &write.change {
                self.check_document(&write.key, document)?;
            }
            let live = known.filter(|known| known.digest.is_some());
            failed.extend(write.failure(live.map(|known| known.version)));
            let outcome = self.outcome(write, known, now)?;
            if outcome.is_some() {
                added += self.growth(&write.key, known);
            }
            outcomes.push(outcome);
        }
        if !failed.is_empty() {
            return Err(Error::preconditions("commit", failed));
        }
        self.grow("commit", added)?;
        let mut answers = Vec::with_capacity(writes.len());
        for (write, outcome) in writes.iter().zip(outcomes) {
            answers.push(written(outcome.as_ref().map(|outcome| &outcome.known))?);
            let Some(outcome) = outcome else { continue };
            if let Some(by) = &write.attribution
                && self.keeps_history(&write.key.collection)
            {
                let Key { collection, id } = write.key.clone();
                let (version, by) = (outcome.known.version, Some((**by).clone()));
                self.ops.push((Op::By(ByOp { collection, id, version, by }), None));
            }
            self.store(write.key.clone(), outcome);
        }
        Ok(answers)
    }

    fn check_document(&self, key: &Key, document: &Document) -> Result<()> {
        let schema = self.env.schema(&key.collection);
        schema.check_document(&key.id, document, self.env.options.max_entity_bytes)
    }

    /// What a write leaves, `None` when it changes nothing.
    fn outcome(
        &self,
        write: &Write,
        known: Option<Known>,
        now: Timestamp,
    ) -> Result<Option<Outcome>> {
        let now = now.as_micros();
        let live = known.filter(|known| known.digest.is_some());
        let (created_at, document) = match &write.change {
            Change::Check => return Ok(None),
            Change::Delete if live.is_none() => return Ok(None),
            Change::Delete => (now, None),
            Change::Put(document) => {
                let created_at = live.map_or(now, |known| known.created_at);
                (created_at, Some((document.clone(), text_of(document)?)))
            }
        };
        let version = self.next_version(&write.key, known)?;
        let digest = document.as_ref().map(|(_, text)| text.digest);
        Ok(Some(Outcome {
            known: Known { version, created_at, updated_at: now, digest },
            document,
        }))
    }

    /// What a write of a key adds to the index, at most.
    fn growth(&self, key: &Key, known: Option<Known>) -> u64 {
        match known {
            Some(_) if !self.keeps_history(&key.collection) => 0,
            _ => size_of_record(&key.id),
        }
    }

    /// Refuses what would make the index larger than is allowed.
    fn grow(&mut self, operation: &'static str, added: u64) -> Result<()> {
        let most = self.env.settings.max_index_bytes.get();
        let bytes = self.state.bytes() + self.added + added;
        if added > 0 && bytes > most {
            return Err(errors::index_too_large(operation, &self.env.location, bytes, most));
        }
        self.added += added;
        Ok(())
    }

    /// Whether the history of a collection is kept, as the changes before have left it.
    fn keeps_history(&self, name: &CollectionName) -> bool {
        match &self.record {
            Some(record) => record.history.contains_key(name),
            None => self.state.tables.get(name).is_some_and(|table| table.history.is_some()),
        }
    }

    /// The number of the next change, where changes are captured.
    fn next_change(&mut self) -> Option<u64> {
        let capture = self.feed.as_ref().map_or(&self.state.capture, |feed| &feed.capture);
        capture.is_on().then(|| {
            self.head += 1;
            self.head
        })
    }

    fn store(&mut self, key: Key, outcome: Outcome) {
        let Outcome { known, document } = outcome;
        let change = self.next_change();
        let Key { collection, id } = key.clone();
        let Known { version, created_at, updated_at, .. } = known;
        self.ops.push(match document {
            Some((document, text)) => {
                let put = PutOp { collection, id, version, created_at, updated_at, text, change };
                (Op::Put(put), Some(document))
            }
            None => {
                let delete = DeleteOp { collection, id, version, deleted_at: updated_at, change };
                (Op::Delete(delete), None)
            }
        });
        self.records.insert(key, known);
    }

    /// Decides records that come with their own versions. On an error nothing of them is in
    /// the batch.
    pub(crate) fn apply(&mut self, records: &[Record]) -> Result<Vec<Applied>> {
        self.check_apply("apply")?;
        let mut added = 0;
        let mut texts = Vec::with_capacity(records.len());
        for record in records {
            let key = record.key();
            let known = self.known("apply", &key)?;
            if let Some(document) = record.document() {
                self.check_document(&key, document)?;
            }
            texts.push(record.document().map(text_of).transpose()?);
            added += self.growth(&key, known);
        }
        self.grow("apply", added)?;
        let mut answers = Vec::with_capacity(records.len());
        // Each in the order given: a key may come twice, and the feed has both.
        for (record, text) in records.iter().zip(texts) {
            let key = record.key();
            let answer = compare(record, text.as_ref(), self.known("apply", &key)?);
            if answer == Applied::Applied {
                let document = record.document().cloned().zip(text);
                self.store(key, Outcome { known: known_of(record, text), document });
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Removes old tombstones, the floor raised in the same frame. It has to be alone in its
    /// group.
    pub(crate) fn purge(&mut self, name: &CollectionName, older_than: Timestamp) -> Result<Purged> {
        self.state.check_rebuild(self.env, "purge")?;
        let table = self.state.table(self.env, "purge", name)?;
        check_purge(self.state.job.as_ref(), name)?;
        let history = table.history.as_ref().map(|history| &history.kept);
        let older_than = HistoryState::purgeable(history, older_than).as_micros();
        let Some(highest) = table.highest_purgeable(older_than) else {
            return Ok(Purged::new(0, table.floor));
        };
        let floor = table.floor.max(highest);
        let removed = table.count_purgeable(older_than);
        self.ops.push((Op::Floor { collection: name.clone(), floor }, None));
        self.ops.push((Op::Purge { collection: name.clone(), older_than }, None));
        Ok(Purged::new(removed, floor))
    }
}

/// What is said of a document beside its text.
fn text_of(document: &Document) -> Result<Text> {
    let len = u32::try_from(document.as_str().len()).ok().and_then(NonZeroU32::new);
    let len = len.ok_or_else(|| {
        let why = "the document is larger than an object of the log can be";
        Error::new(ErrorKind::LimitExceeded, "write", why)
    })?;
    Ok(Text { len, digest: Hex16::of(&document.digest()), at: None })
}

fn known_of(record: &Record, text: Option<Text>) -> Known {
    let created_at = match record {
        Record::Live(entity) => entity.created_at,
        Record::Tombstone(tombstone) => tombstone.deleted_at,
    };
    Known {
        version: record.version(),
        created_at: created_at.as_micros(),
        updated_at: record.updated_at().as_micros(),
        digest: text.map(|text| text.digest),
    }
}

/// What `apply` answers for a record against what its key holds.
fn compare(record: &Record, text: Option<&Text>, known: Option<Known>) -> Applied {
    let Some(known) = known else { return Applied::Applied };
    match record.version().cmp(&known.version) {
        std::cmp::Ordering::Greater => Applied::Applied,
        std::cmp::Ordering::Less => Applied::Older,
        std::cmp::Ordering::Equal if text.map(|text| text.digest) == known.digest => Applied::Equal,
        std::cmp::Ordering::Equal => Applied::Diverged,
    }
}

fn written(known: Option<&Known>) -> Result<Written> {
    let Some(known) = known else { return Ok(Written::Unchanged) };
    let version = known.version;
    let updated_at = Timestamp::from_micros(known.updated_at)?;
    Ok(match known.digest {
        None => Written::Deleted { version, deleted_at: updated_at },
        Some(_) => {
            let created_at = Timestamp::from_micros(known.created_at)?;
            Written::Put { version, created_at, updated_at }
        }
    })
}
