//! What a handle knows of its store: every record's place, the files they are
//! in, and how far the journal was read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use repo_core::strategy::{
    CollectionState, FeedState, StateMark, StoreId, StoreRecord, SystemCollection, SystemItemMap,
    UnfinishedJob, layout_without_changes, never_prepared,
};
use repo_core::{CollectionName, Document, Result};

use crate::data_file::DataFile;
use crate::documents::Documents;
use crate::env::{Env, shape_of};
use crate::feed_record::FeedRecord;
use crate::index::Indexes;
use crate::journal::{CheckpointOp, JOURNAL_HEAD, Op, push_op};
use crate::layout::Layout;
use crate::meta::{CollectionHead, LAYOUT_VERSION, layout_of};

use crate::table::{Place, Slot, Table};

/// The store as one handle sees it.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Checkpoints so far.
    pub(crate) generation: u64,
    /// `None` before the first checkpoint, and in layout 1.
    pub(crate) id: Option<StoreId>,
    pub(crate) epoch: u64,
    pub(crate) job: Option<UnfinishedJob>,
    /// `None` before layout 3.
    pub(crate) feed: Option<FeedRecord>,
    /// Empty before layout 3.
    pub(crate) items: SystemItemMap,
    /// What other tools changed in data files, for the change feed, until a
    /// checkpoint records it.
    pub(crate) edits: Edits,
    /// Whether the frame that is being applied changes a record.
    pub(crate) frame_changes: bool,
    pub(crate) collections: BTreeMap<CollectionName, Collection>,
    pub(crate) files: Vec<DataFile>,
    /// Collections that are there and were not selected: nothing of them is
    /// known but the name.
    pub(crate) left_out: BTreeSet<CollectionName>,
    pub(crate) layout: Layout,
    /// `None` when the store is not there, or was never opened for writing.
    pub(crate) journal: Option<JournalState>,
    /// What a writer has to do before anything else.
    pub(crate) repair: Repair,
    /// Whether nothing says which versions the entities have.
    pub(crate) invents_versions: bool,
    /// What an operator should know, for `health`.
    pub(crate) notices: Vec<String>,
}

/// Changes by other tools, as a frame says them.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    pub(crate) payload: Vec<u8>,
    pub(crate) count: u64,
}

impl Edits {
    pub(crate) fn push(&mut self, collection: &CollectionName, id: &str, slot: &Slot) {
        let (collection, deleted) = (collection.as_str(), !slot.is_live());
        let op = Op::Edited { collection, id, version: slot.version, deleted };
        push_op(&mut self.payload, &op);
        self.count += 1;
    }

    pub(crate) fn append(&mut self, mut more: Self) {
        self.payload.append(&mut more.payload);
        self.count += more.count;
    }
}

/// What a writer has to do with the files before it continues.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Repair {
    /// Nothing.
    #[default]
    None,
    /// Finish the checkpoint that another process broke off.
    Finish(CheckpointOp),
    /// Write `.meta` anew for data files that something else wrote.
    Rebase,
}

/// One prepared collection.
#[derive(Debug)]
pub(crate) struct Collection {
    pub(crate) schema_version: u32,
    pub(crate) floor: u64,
    pub(crate) shape: u64,
    /// Its place among the data files; `None` before its first checkpoint.
    pub(crate) file: Option<usize>,
    pub(crate) table: Table,
    /// Built when queries pay for them.
    pub(crate) indexes: Option<Indexes>,
    /// Documents that queries read which an index would have served.
    pub(crate) searched: Arc<AtomicU64>,
    /// Whether live entities differ from the data file.
    pub(crate) dirty: bool,
}

/// An open journal.
#[derive(Debug, Clone)]
pub(crate) struct JournalState {
    pub(crate) file: Arc<File>,
    pub(crate) inode: u64,
    /// The number in its head, by which its frames are checksummed.
    pub(crate) generation: u64,
    /// The end of the last sound frame, in bytes.
    pub(crate) end: u64,
    /// The sequence of that frame.
    pub(crate) sequence: u64,
    /// Bytes behind it that are no frame.
    pub(crate) torn: u64,
    /// Whether any frame changes a record.
    pub(crate) has_records: bool,
}

impl JournalState {
    pub(crate) fn is_empty(&self) -> bool {
        self.end == JOURNAL_HEAD
    }
}

impl Collection {
    /// A collection without records.
    pub(crate) fn new(schema_version: u32, shape: u64) -> Self {
        Self {
            schema_version,
            floor: 0,
            shape,
            file: None,
            table: Table::default(),
            indexes: None,
            searched: Arc::default(),
            dirty: true,
        }
    }

    /// The collection of a table that was found in a data file.
    pub(crate) fn found(env: &Env, name: &CollectionName, file: usize, table: Table) -> Self {
        let schema = env.schema(name);
        Self {
            file: Some(file),
            table,
            dirty: false,
            ..Self::new(schema.unrecorded_version(), shape_of(&schema))
        }
    }

    pub(crate) fn head(&self, name: &CollectionName) -> CollectionHead {
        CollectionHead {
            name: name.clone(),
            schema_version: self.schema_version,
            floor: self.floor,
            shape: self.shape,
            file: self.file,
        }
    }
}

impl State {
    /// The collection of a split file; `None` for the file of all.
    pub(crate) fn owner(&self, file: usize) -> Option<CollectionName> {
        let owned = |c: &&Collection| c.file == Some(file);
        self.collections.iter().find(|(_, c)| owned(c)).map(|(name, _)| name.clone())
    }

    /// Whether there is a store at all.
    pub(crate) fn exists(&self) -> bool {
        self.journal.is_some() || !self.files.is_empty() || !self.left_out.is_empty()
    }

    /// The collections that are there, those that were not selected too.
    pub(crate) fn names(&self) -> Vec<CollectionName> {
        let names: BTreeSet<_> = self.collections.keys().chain(&self.left_out).collect();
        names.into_iter().cloned().collect()
    }

    /// The files that hold a collection's documents.
    pub(crate) fn documents(&self, env: &Env, collection: &Collection) -> Documents {
        let data = collection.file.and_then(|file| self.files.get(file));
        Documents::new(
            data,
            self.journal.as_ref().map(|j| (Arc::clone(&j.file), env.folder.journal())),
        )
    }

    /// What distinguishes this state from all others of the same files.
    pub(crate) fn mark(&self) -> StateMark {
        let journal = self.journal.as_ref().map(|journal| (journal.inode, journal.end));
        let files: Vec<_> = self.files.iter().map(|file| file.signature).collect();
        StateMark::new(format!("{journal:?} {files:?}"))
    }

    /// The store's own record.
    pub(crate) fn store_record(&self) -> StoreRecord {
        let state = |c: &Collection| CollectionState::new(c.schema_version, c.floor);
        StoreRecord::new(match self.generation {
            // Its first checkpoint is still to be written.
            0 => LAYOUT_VERSION,
            _ => layout_of(self.id, self.feed.as_ref()),
        })
        .with_capture(self.feed.as_ref().map(|feed| feed.capture.clone()).unwrap_or_default())
        .with_id(self.id)
        .with_epoch(self.epoch)
        .with_collections(self.collections.iter().map(|(n, c)| (n.clone(), state(c))).collect())
        .with_job(self.job.clone())
    }

    /// Whether what is written has to come into the change feed.
    pub(crate) fn captures(&self) -> bool {
        self.feed.as_ref().is_some_and(|feed| feed.capture.is_on())
    }

    /// What the change feed holds. Not while a checkpoint is to be finished: the
    /// journal is then the one before.
    ///
    /// # Errors
    /// `NotFound` where there is no store; `Unsupported` before layout 3.
    pub(crate) fn feed(&self, env: &Env, operation: &'static str) -> Result<FeedState> {
        if !self.exists() {
            return Err(never_prepared(operation, &env.location));
        }
        let (Some(store), Some(feed)) = (self.id, &self.feed) else {
            let layout = self.store_record().layout_version;
            return Err(layout_without_changes(operation, &env.location, layout));
        };
        Ok(FeedState {
            store,
            capture: feed.capture.clone(),
            trimmed: vec![feed.trimmed],
            head: vec![feed.head],
        })
    }

    /// Bytes of all data files.
    pub(crate) fn snapshot_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.signature.len).sum()
    }

    /// Makes one journalled change. `at` is where a put's document stands in
    /// the journal. `None` when the change makes no sense here.
    pub(crate) fn apply(&mut self, env: &Env, op: Op<'_>, at: u64) -> Option<()> {
        if op.collection().is_some_and(|name| !env.options.selects(name)) {
            return Some(());
        }
        match op {
            Op::Put { collection, id, version, created_at, updated_at, document } => {
                let len = u32::try_from(document.len()).ok()?;
                let place = Place::Journal;
                let slot = Slot { version, created_at, updated_at, offset: at, len, place };
                self.set_record(env, collection, id, slot, Some(document))
            }
            Op::Delete { collection, id, version, deleted_at } => {
                let slot = Slot::tombstone(version, deleted_at);
                self.set_record(env, collection, id, slot, None)
            }
            Op::Prepare { collection, schema_version, shape } => {
                let name = CollectionName::new(collection).ok()?;
                let new = || Collection::new(schema_version, shape);
                let collection = self.collections.entry(name).or_insert_with(new);
                collection.schema_version = schema_version;
                collection.shape = shape;
                collection.indexes = None;
                Some(())
            }
            Op::Floor { collection, floor } => {
                let collection = self.collections.get_mut(collection)?;
                collection.floor = collection.floor.max(floor);
                Some(())
            }
            Op::Purge { collection, older_than } => {
                self.collections.get_mut(collection)?.table.purge(older_than);
                self.note_record();
                Some(())
            }
            Op::Job(job) => {
                self.job = job;
                Some(())
            }
            Op::Id(id) => {
                self.id = Some(id);
                Some(())
            }
            Op::Capture { capture, trimmed } => {
                let feed = self.feed.as_mut()?;
                feed.capture = capture;
                feed.trim(trimmed);
                Some(())
            }
            Op::Item { collection, key, value } => {
                self.items.set(SystemCollection::named(collection)?, key, value);
                Some(())
            }
            // The `.meta` of its checkpoint has it.
            Op::Edited { .. } => Some(()),
            Op::Checkpoint(_) => None,
        }
    }

    /// Notes that a frame was applied, and where it ends.
    pub(crate) fn end_frame(&mut self, sequence: u64, end: u64) {
        if let Some(journal) = &mut self.journal {
            journal.sequence = sequence;
            journal.end = end;
        }
        if std::mem::take(&mut self.frame_changes)
            && let Some(feed) = &mut self.feed
        {
            feed.head = feed.place(end);
        }
    }

    fn note_record(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.has_records = true;
        }
    }

    fn set_record(
        &mut self,
        env: &Env,
        name: &str,
        id: &str,
        slot: Slot,
        document: Option<&str>,
    ) -> Option<()> {
        self.note_record();
        self.frame_changes = true;
        let indexed = self.collections.get(name)?.indexes.is_some();
        let old = if indexed { self.indexed_document(env, name, id) } else { Ok(None) };
        let collection = self.collections.get_mut(name)?;
        if let Some(indexes) = &mut collection.indexes {
            let new = document.map(Document::read).transpose();
            match (old, new) {
                (Ok(old), Ok(new)) => indexes.replace(id, old.as_ref(), new.as_ref()),
                // They are built anew when a query next needs them.
                _ => collection.indexes = None,
            }
        }
        let was_live = collection.table.get(id).is_some_and(|slot| slot.is_live());
        collection.dirty |= was_live || slot.is_live();
        collection.table.set(id, slot);
        Some(())
    }

    fn indexed_document(&self, env: &Env, name: &str, id: &str) -> Result<Option<Document>> {
        let Some(collection) = self.collections.get(name) else { return Ok(None) };
        let Some(slot) = collection.table.get(id).filter(Slot::is_live) else { return Ok(None) };
        self.documents(env, collection).read(&slot).map(Some)
    }
}
