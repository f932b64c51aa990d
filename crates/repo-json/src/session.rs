//! What the writer does while it holds the lock.

mod frame;
mod scrub;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use repo_core::strategy::{PrepareChange, Prepared, check_distinct_collections, never_prepared};
use repo_core::{CollectionSchema, Error, Result};

use crate::batch::Batch;
use crate::checkpoint::{self, Failure, Publish};
use crate::config::CheckpointOnClose;
use crate::data_file::DataFile;
use crate::env::{Env, shape_of};
use crate::errors;
use crate::folder::{self, JOURNAL, META};
use crate::history;
use crate::hooks::Step;
use crate::identity;
use crate::journal::JOURNAL_HEAD;
use crate::lock::{LockFile, LockGuard};
use crate::meta::newest_layout;
use crate::packed::Packing;
use crate::recovery;
use crate::segments;
use crate::state::{Collection, JournalState, Repair, State};
use crate::store::Store;

/// A checkpoint is due when the journal is longer than the data files, and
/// longer than this, in bytes.
const SHORTEST_JOURNAL: u64 = 4 * 1_024 * 1_024;

/// Data files of this many bytes together are brought up to date whenever the
/// store is closed: that is too short to notice, and other tools read them.
const SMALL_FILES: u64 = 8 * 1_024 * 1_024;
/// Larger ones when the journal is longer than this part of them: opening the
/// store reads the journal, and writing them costs all of their length.
const JOURNAL_PART: u64 = 8;

/// The writer's side of a handle.
pub(crate) struct Session {
    pub(crate) store: Arc<Store>,
    lock: Option<Arc<LockFile>>,
    held: Option<LockGuard>,
    /// After a failed checkpoint: no new attempt before the journal is longer
    /// than this, in bytes.
    not_before: u64,
    /// Whether what broken-off checkpoints left was removed.
    swept: bool,
    /// Inode and generation of the journal whose name is known to be durable.
    named: Option<(u64, u64)>,
}

/// Refuses collections that the store cannot have.
pub(crate) fn check_prepare(env: &Env, state: &State, schemas: &[CollectionSchema]) -> Result<()> {
    check_distinct_collections(schemas)?;
    let new = schemas.iter().map(|schema| &schema.collection);
    state.layout.refuse_shared_file(env, state.collections.keys().chain(new))?;
    schemas.iter().try_for_each(|schema| identity::check(env, "prepare", state, schema))
}

impl Session {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store, lock: None, held: None, not_before: 0, swept: false, named: None }
    }

    /// Takes the lock and brings state and files up to date. Where there is no
    /// store yet it does nothing: only `prepare` makes one.
    pub(crate) fn begin(&mut self) -> Result<()> {
        if let Some(reason) = self.store.poisoned() {
            return Err(errors::poisoned("write", &self.store.env.location, reason));
        }
        if self.lock.is_none() && !self.found()? {
            return Ok(());
        }
        self.take_lock()?;
        self.settle()
    }

    /// Gives the lock back.
    pub(crate) fn end(&mut self) {
        self.store.set_writing(false);
        self.held = None;
    }

    fn found(&self) -> Result<bool> {
        let state = self.store.state();
        Ok(state.exists() || !self.store.is_current(&state)?)
    }

    fn take_lock(&mut self) -> Result<()> {
        let lock = match &self.lock {
            Some(lock) => Arc::clone(lock),
            None => Arc::new(LockFile::create(&self.store.env.folder.lock())?),
        };
        let held = lock.exclusive()?;
        self.lock = Some(held.file());
        self.held = Some(held);
        Ok(())
    }

    /// Catches up and repairs. After it nobody else's commit is unknown here
    /// as long as the lock is held.
    fn settle(&mut self) -> Result<()> {
        let current = self.store.is_current(&self.store.state())?;
        if !current {
            self.store.refresh(true)?;
        }
        self.repair()?;
        self.sync_names()?;
        self.store.set_writing(true);
        Ok(())
    }

    /// Makes renames durable whose process may have died before it did: no
    /// frame goes into a journal that a power failure could take away.
    fn sync_names(&mut self) -> Result<()> {
        let env = &self.store.env;
        let named = self.store.state().journal.as_ref().map(|j| (j.inode, j.generation));
        if named.is_none() || named == self.named || !env.settings.sync_writes {
            return Ok(());
        }
        let failed = |e| errors::io("sync a folder", env.folder.path(), e);
        env.hooks.step(Step::SyncNames).map_err(failed)?;
        env.folder.sync()?;
        self.named = named;
        Ok(())
    }

    fn repair(&mut self) -> Result<()> {
        let env = &self.store.env;
        let state = self.store.state();
        match &state.repair {
            Repair::Finish(pending) => {
                let finished = checkpoint::finish(env, pending);
                drop(state);
                finished?;
                self.reload(true)?;
            }
            Repair::Rebase => {
                drop(state);
                self.write_checkpoint()?;
            }
            Repair::None => drop(state),
        }
        self.cut_torn_tail()?;
        self.sweep()
    }

    /// Removes bytes behind the last sound frame.
    fn cut_torn_tail(&self) -> Result<()> {
        let mut state = self.store.state_mut();
        let Some(journal) = state.journal.as_mut().filter(|journal| journal.torn > 0) else {
            return Ok(());
        };
        let path = self.store.env.folder.journal();
        tracing::warn!(file = %path.display(), byte = journal.end, bytes = journal.torn,
            "a torn write at the end of the journal is dropped; it was never acknowledged");
        let sync = self.store.env.settings.sync_writes;
        journal
            .file
            .set_len(journal.end)
            .and_then(|()| if sync { journal.file.sync_data() } else { Ok(()) })
            .map_err(|e| errors::io("repair the journal", &path, e))?;
        journal.torn = 0;
        Ok(())
    }

    /// Removes, once, what broken-off checkpoints left beside the files.
    fn sweep(&mut self) -> Result<()> {
        let state = self.store.state();
        if self.swept || !state.exists() {
            return Ok(());
        }
        // A checkpoint may have been about to compress them, or to write them plain.
        let both = |file: &DataFile| {
            let plain = file.packing.plain_name(&file.name).unwrap_or(&file.name);
            Packing::ALL.map(|packing| packing.file_name(plain))
        };
        let names: Vec<String> = state.files.iter().flat_map(both).collect();
        for name in names.iter().map(String::as_str).chain([META, JOURNAL]) {
            folder::remove_if_there(&self.store.env.folder.beside(name))?;
        }
        drop(state);
        self.remove_unlisted();
        self.swept = true;
        Ok(())
    }

    /// Makes the store, or collections in it.
    pub(crate) fn prepare(&mut self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        if schemas.is_empty() {
            return Ok(Vec::new());
        }
        if !self.store.state().exists() {
            self.store.env.folder.make()?;
            if self.held.is_none() {
                self.take_lock()?;
                self.settle()?;
            }
        }
        // Another process may have made it meanwhile.
        let state = self.store.state();
        let exists = state.exists();
        check_prepare(&self.store.env, &state, schemas)?;
        drop(state);
        let prepared = if exists { self.prepare_more(schemas) } else { self.create(schemas) }?;
        for schema in schemas {
            self.store.env.set_schema(schema);
        }
        Ok(prepared)
    }

    fn prepare_more(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        let state = self.store.state();
        let mut batch = Batch::new(&self.store.env, &state);
        let prepared = batch.prepare(schemas);
        let payload = std::mem::take(&mut batch.payload);
        drop(batch);
        if !payload.is_empty() {
            state.check_rebuild(&self.store.env, "prepare")?;
        }
        drop(state);
        self.write(&payload, HashMap::new())?;
        Ok(prepared)
    }

    /// Brings a store of an older layout to the present one, with data files that are kept
    /// as configured; gives the layout that it was in.
    pub(crate) fn upgrade(&self) -> Result<Option<u32>> {
        let state = self.store.state();
        if !state.exists() {
            return Err(never_prepared("upgrade the layout", &self.store.env.location));
        }
        let from = state.store_record().layout_version;
        let packing = self.store.env.settings.packing().unwrap_or(state.packing);
        if from == newest_layout(packing) {
            return Ok(None);
        }
        self.publish(&state, |env, state| {
            checkpoint::run_in_newest_layout(env, state, Publish::Append, packing)
        })?;
        drop(state);
        self.reload(true)?;
        Ok(Some(from))
    }

    fn create(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        let known = self.store.state();
        let (layout, packing) = (known.layout.clone(), known.packing);
        drop(known);
        let mut state = State { layout, packing, ..State::default() };
        for schema in schemas {
            let collection = Collection::new(schema.schema_version, shape_of(schema));
            state.collections.insert(schema.collection.clone(), collection);
        }
        self.publish(&state, |env, state| checkpoint::run(env, state, Publish::Replace))?;
        self.reload(false)?;
        let created = |schema: &CollectionSchema| {
            Prepared::new(schema.collection.clone(), PrepareChange::Created)
        };
        Ok(schemas.iter().map(created).collect())
    }

    /// Writes the journal back into the data files, if it holds anything.
    pub(crate) fn checkpoint(&mut self) -> Result<()> {
        let idle = self.store.state().journal.as_ref().is_none_or(JournalState::is_empty);
        if idle { Ok(()) } else { self.write_checkpoint() }
    }

    /// Writes a checkpoint when the journal has outgrown the data files.
    pub(crate) fn checkpoint_if_due(&mut self) {
        let state = self.store.state();
        let due = SHORTEST_JOURNAL.max(state.snapshot_bytes()).max(self.not_before);
        let len = journal_bytes(&state);
        drop(state);
        if len <= due || self.held.is_none() || self.store.poisoned().is_some() {
            return;
        }
        match self.checkpoint() {
            Ok(()) => self.not_before = 0,
            Err(error) => {
                self.not_before = len.saturating_mul(2);
                tracing::warn!(%error, "a checkpoint failed; all commits stay in the journal");
            }
        }
    }

    fn write_checkpoint(&self) -> Result<()> {
        let state = self.store.state();
        let publish = if state.journal.is_some() { Publish::Append } else { Publish::Replace };
        self.publish(&state, |env, state| checkpoint::run(env, state, publish))?;
        drop(state);
        self.reload(true)?;
        self.remove_unneeded();
        self.remove_unlisted();
        Ok(())
    }

    /// Removes what nobody needs since a frame that ended the capture or a history.
    pub(crate) fn free_files(&self) {
        self.remove_unneeded();
        // Otherwise a power failure may take the frame back, and the history is kept
        // still.
        if self.store.env.settings.sync_writes {
            self.remove_unlisted();
        }
    }

    /// Removes kept journals that no reader of the change feed can need.
    fn remove_unneeded(&self) {
        let state = self.store.state();
        let Some(feed) = state.feed.as_ref().filter(|feed| !feed.capture.is_unused()) else {
            return;
        };
        if let Err(error) = segments::remove_unneeded(&self.store.env.folder, feed) {
            tracing::warn!(%error, "old changes could not be removed; it is tried again later");
        }
    }

    /// Removes files of histories that do not count any more. What is not removed now
    /// is tried again after the next checkpoint.
    fn remove_unlisted(&self) {
        let listed: BTreeSet<String> =
            self.store.state().history_files().map(str::to_owned).collect();
        if let Err(error) = history::remove_unlisted(&self.store.env.folder, &listed) {
            tracing::warn!(%error, "old files of a history could not be removed");
        }
    }

    fn publish(
        &self,
        state: &State,
        write: impl FnOnce(&Env, &State) -> std::result::Result<(), Failure>,
    ) -> Result<()> {
        // Another process may have prepared a collection under other names.
        state.layout.refuse_shared_file(&self.store.env, state.collections.keys())?;
        write(&self.store.env, state).map_err(|failure| match failure {
            Failure::Before(error) => error,
            Failure::Within(error) => {
                self.store.poison(&format!("a checkpoint was broken off: {error}"));
                error
            }
        })
    }

    /// Reads the store as the checkpoint left it. `same`: with the same
    /// documents, so that indexes stay.
    fn reload(&self, same: bool) -> Result<()> {
        let mut loaded = recovery::load(&self.store.env).inspect_err(|error: &Error| {
            self.store.poison(&format!("the store cannot be read after a checkpoint: {error}"));
        })?;
        let mut state = self.store.state_mut();
        if same {
            for (name, collection) in &mut loaded.collections {
                let Some(old) = state.collections.get_mut(name) else { continue };
                collection.indexes = old.indexes.take();
                collection.searched = Arc::clone(&old.searched);
            }
        }
        loaded.notices.splice(0..0, std::mem::take(&mut state.notices));
        let mut seen = HashSet::new();
        loaded.notices.retain(|notice| seen.insert(notice.clone()));
        *state = loaded;
        Ok(())
    }

    /// Whether closing writes a checkpoint.
    fn is_due_on_close(&self) -> bool {
        let state = self.store.state();
        let (data, journal) = (state.snapshot_bytes(), journal_bytes(&state));
        match self.store.env.settings.checkpoint_on_close {
            CheckpointOnClose::Always => true,
            CheckpointOnClose::Never => false,
            CheckpointOnClose::Auto => data <= SMALL_FILES || journal > data / JOURNAL_PART,
        }
    }

    /// Writes the last checkpoint of this handle, where one is due.
    pub(crate) fn close(&mut self) -> Result<()> {
        if self.store.poisoned().is_some() {
            return Ok(());
        }
        let closed = self.begin().and_then(|()| match self.is_due_on_close() {
            true => self.checkpoint(),
            false => Ok(()),
        });
        self.end();
        closed
    }
}

/// Bytes in the journal since the last checkpoint.
fn journal_bytes(state: &State) -> u64 {
    state.journal.as_ref().map_or(0, |journal| journal.end.saturating_sub(JOURNAL_HEAD))
}
