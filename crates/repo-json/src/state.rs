//! What a handle knows of its store: every record's place, the files they are
//! in, and how far the journal was read.

mod apply;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use repo_core::strategy::{
    CollectionState, FeedState, RoleState, StateMark, StoreId, StoreRecord, SystemItemMap,
    UnfinishedJob, layout_without_changes, never_prepared,
};
use repo_core::{CollectionName, Result};

use crate::data_file::DataFile;
use crate::documents::Documents;
use crate::env::{Env, shape_of};
use crate::feed_record::FeedRecord;
use crate::history::History;
use crate::index::Indexes;
use crate::journal::{CheckpointOp, JOURNAL_HEAD, Op, push_op};
use crate::layout::Layout;
use crate::meta::{CollectionHead, layout_of, newest_layout};
use crate::packed::Packing;
use crate::table::{Slot, Table};

/// The store as one handle sees it.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Checkpoints so far.
    pub(crate) generation: u64,
    /// `None` before the first checkpoint, and in layout 1.
    pub(crate) id: Option<StoreId>,
    pub(crate) role: RoleState,
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
    /// How all data files are kept.
    pub(crate) packing: Packing,
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
    /// What records were before, while that is kept.
    pub(crate) history: Option<Box<History>>,
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
            history: None,
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
            0 => newest_layout(self.packing),
            _ => layout_of(self.id, self.feed.as_ref(), self.packing),
        })
        .with_capture(self.feed.as_ref().map(|feed| feed.capture.clone()).unwrap_or_default())
        .with_id(self.id)
        .with_role(self.role.clone())
        .with_collections(self.collections.iter().map(|(n, c)| (n.clone(), state(c))).collect())
        .with_job(self.job.clone())
        .with_history(
            self.histories().map(|(name, history)| (name.clone(), history.kept)).collect(),
        )
    }

    /// Whether the handle may change what a live migration would not carry over.
    pub(crate) fn check_rebuild(&self, env: &Env, operation: &'static str) -> Result<()> {
        self.role.check_rebuild(operation, &env.location, env.options.works_for)
    }

    /// The histories that are kept.
    pub(crate) fn histories(&self) -> impl Iterator<Item = (&CollectionName, &History)> {
        self.collections.iter().filter_map(|(name, c)| Some((name, c.history.as_deref()?)))
    }

    /// The names of their files.
    pub(crate) fn history_files(&self) -> impl Iterator<Item = &str> {
        self.histories().flat_map(|(_, history)| &history.files).map(|file| file.name.as_str())
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

    /// Bytes of text in all data files.
    pub(crate) fn snapshot_bytes(&self) -> u64 {
        self.files.iter().map(DataFile::text_len).sum()
    }
}
