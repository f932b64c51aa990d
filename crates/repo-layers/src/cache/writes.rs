//! Writes under way: their keys are kept by nobody until it is known what they left.

use std::sync::Arc;

use repo_core::strategy::{Record, Tombstone};
use repo_core::{Change, Document, Entity, Key, Write, Written};

use super::entries::{Entries, Wrote};
use super::entry::{Begun, Entry};

/// Writes that are under way. Dropped before they are known to have ended, they may have
/// been done or not.
#[derive(Debug)]
pub(super) struct WritesUnderWay {
    entries: Arc<Entries>,
    begun: Begun,
    /// Whether what is written is kept.
    keep: bool,
    left: Vec<Writing>,
}

/// A write of one key.
#[derive(Debug)]
struct Writing {
    key: Key,
    /// Its place in the commit.
    place: usize,
    document: Option<Document>,
}

impl WritesUnderWay {
    /// A commit begins. With `keep` what it writes is kept.
    pub(super) fn of_commit(entries: &Arc<Entries>, writes: &[Write], keep: bool) -> Self {
        let writing = |(place, write): (usize, &Write)| {
            let document = match &write.change {
                Change::Check => return None,
                Change::Put(document) if keep => Some(document.clone()),
                Change::Put(_) | Change::Delete => None,
            };
            Some(Writing { key: write.key.clone(), place, document })
        };
        Self::begin(entries, keep, writes.iter().enumerate().filter_map(writing).collect())
    }

    /// Something begins that may change these keys.
    pub(super) fn of_keys(entries: &Arc<Entries>, keys: impl Iterator<Item = Key>) -> Self {
        let writing = keys.map(|key| Writing { key, place: 0, document: None });
        Self::begin(entries, false, writing.collect())
    }

    fn begin(entries: &Arc<Entries>, keep: bool, left: Vec<Writing>) -> Self {
        let begun = entries.begin();
        for writing in &left {
            entries.begin_write(&writing.key);
        }
        Self { entries: Arc::clone(entries), begun, keep, left }
    }

    /// The commit has ended, and this is what it answered.
    pub(super) fn end(mut self, written: &[Written]) {
        while let Some(Writing { key, place, document }) = self.left.pop() {
            let wrote = match written.get(place) {
                Some(Written::Unchanged) => Wrote::Nothing,
                Some(written) if self.keep => left_by(&key, document, *written)
                    .map_or(Wrote::Unknown, |record| {
                        Wrote::Left(Entry { record: Some(record), since: self.begun })
                    }),
                _ => Wrote::Unknown,
            };
            self.entries.end_write(&key, wrote);
        }
        self.entries.settle();
    }
}

impl Drop for WritesUnderWay {
    fn drop(&mut self) {
        while let Some(writing) = self.left.pop() {
            self.entries.end_write(&writing.key, Wrote::Unknown);
        }
    }
}

/// The record that a write left.
fn left_by(key: &Key, document: Option<Document>, written: Written) -> Option<Record> {
    let Key { collection, id } = key.clone();
    match written {
        Written::Put { version, created_at, updated_at } => Some(Record::Live(Entity {
            collection,
            id,
            version,
            created_at,
            updated_at,
            document: document?,
        })),
        Written::Deleted { version, deleted_at } => {
            Some(Record::Tombstone(Tombstone { collection, id, version, deleted_at }))
        }
        Written::Unchanged => None,
    }
}
