//! The history of one collection as a handle knows it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use repo_core::strategy::HistoryState;
use repo_core::{CollectionName, Result};

use super::file::{FileHead, HistoryFile};
use super::version_key::VersionKey;
use crate::folder::Folder;
use crate::journal::{OlderOp, OlderOpState};
use crate::table::{NO_DIGEST, Place, ShortDigest, Slot};

/// What is known of a version, or of who wrote it: then the record is the attribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Was {
    /// A record, in the place where it stood, with the digest of its document.
    Record(Slot, ShortDigest),
    /// That it was there. The time is microseconds since 1970.
    Removed { updated_at: i64 },
    /// Nothing, whatever a file says.
    Forgotten,
}

/// A version that came into the history since the last checkpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recent {
    pub(crate) was: Was,
    /// Whether what a file holds under its number has to go.
    pub(crate) clears: bool,
}

/// What `.meta` says of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HistoryHead {
    pub(crate) name: CollectionName,
    pub(crate) kept: HistoryState,
    /// The oldest first.
    pub(crate) files: Vec<FileHead>,
}

/// The history of one collection.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) kept: HistoryState,
    /// As many as the journal has operations, at most: about 130 bytes and the id each.
    pub(super) recent: BTreeMap<VersionKey, Recent>,
    /// The oldest first.
    pub(crate) files: Vec<Arc<HistoryFile>>,
}

impl History {
    pub(crate) fn new(kept: HistoryState) -> Self {
        Self { kept, recent: BTreeMap::new(), files: Vec::new() }
    }

    /// The history that `.meta` describes, its files not yet opened.
    pub(crate) fn of_head(head: HistoryHead) -> Self {
        let closed = |file| Arc::new(HistoryFile::closed(&head.name, file));
        let files = head.files.iter().copied().map(closed).collect();
        Self { files, ..Self::new(head.kept) }
    }

    /// Opens its files. One that is not there is no error before it is needed.
    pub(crate) fn open(&mut self, folder: &Folder) -> Result<()> {
        for file in &mut self.files {
            *file = Arc::new(file.open(folder)?);
        }
        Ok(())
    }

    /// Keeps what a write replaced.
    pub(crate) fn replaced(&mut self, id: &str, slot: Slot, digest: ShortDigest) {
        self.set(VersionKey::new(id, slot.version), Was::Record(slot, digest), false);
    }

    /// Keeps what is known of a version. `clears`: what a file holds of it goes.
    fn set(&mut self, key: VersionKey, was: Was, clears: bool) {
        let recent = Recent { was, clears };
        match self.recent.entry(key) {
            Entry::Vacant(place) => {
                place.insert(recent);
            }
            Entry::Occupied(mut place) => {
                let clears = clears || place.get().clears;
                place.insert(Recent { was, clears });
            }
        }
    }

    /// Makes a journalled change. `at` is where its document stands in the journal.
    pub(crate) fn set_older(&mut self, op: &OlderOp<'_>, at: u64) -> Option<()> {
        let OlderOp { version, updated_at, .. } = *op;
        let written = |created_at, text: &str| {
            let len = u32::try_from(text.len()).ok()?;
            let place = Place::Journal;
            let slot = Slot { version, created_at, updated_at, offset: at, len, place };
            Some(Was::Record(slot, NO_DIGEST))
        };
        let key = VersionKey::new(op.id, version);
        let was = match op.state {
            OlderOpState::Live { created_at, document } => written(created_at, document)?,
            OlderOpState::Attributed { by } => {
                self.set(key.attributing(), written(updated_at, by)?, false);
                return Some(());
            }
            OlderOpState::Unattributed => {
                self.set(key.attributing(), Was::Forgotten, true);
                return Some(());
            }
            OlderOpState::Deleted => Was::Record(Slot::tombstone(version, updated_at), NO_DIGEST),
            OlderOpState::Removed => Was::Removed { updated_at },
            OlderOpState::Forgotten => Was::Forgotten,
        };
        self.set(key, was, matches!(was, Was::Removed { .. } | Was::Forgotten));
        Some(())
    }

    /// Another tool put a file in the place of the data file: what stood there cannot
    /// be read any more.
    pub(crate) fn lose_data_file(&mut self) {
        self.recent.values_mut().for_each(|recent| recent.was = without_data_file(recent.was));
    }

    /// Keeps what an edit by another tool replaced, as far as it is still known.
    pub(crate) fn edited(&mut self, id: &str, slot: Slot, digest: ShortDigest) {
        let was = without_data_file(Was::Record(slot, digest));
        self.set(VersionKey::new(id, slot.version), was, false);
    }
}

fn without_data_file(was: Was) -> Was {
    match was {
        Was::Record(slot, _) if slot.place == Place::Data => {
            Was::Removed { updated_at: slot.updated_at }
        }
        was => was,
    }
}
