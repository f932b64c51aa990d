//! One open handle: its state, and how it is kept up with other processes.
//!
//! Who writes holds the lock exclusively from catching up to the end of the
//! sync. Who reads first looks whether the files are still the ones it knows;
//! only if not it takes the lock, shared, and catches up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

use repo_core::{CollectionName, Result, not_prepared};

use crate::cache::Cache;
use crate::env::Env;
use crate::errors;
use crate::folder::Signature;
use crate::lock::LockFile;
use crate::recovery;
use crate::state::{Collection, State};

/// One open handle on a store.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) env: Env,
    state: RwLock<State>,
    /// The lock file as readers hold it: not the writer's, since a lock
    /// belongs to the open file.
    reader_lock: Mutex<Option<Arc<LockFile>>>,
    /// Whether this handle's writer holds the lock and has caught up, so that
    /// nobody else can have written.
    writing: AtomicBool,
    closed: AtomicBool,
    /// Why this handle can do nothing more.
    poison: OnceLock<String>,
    cache: Mutex<Cache>,
}

impl Store {
    /// Reads the store as it is, without changing anything.
    pub(crate) fn open(env: Env) -> Result<Self> {
        let (lock, state) = Self::load_locked(&env)?;
        Ok(Self {
            cache: Mutex::new(Cache::new(env.settings.cache_size)),
            env,
            state: RwLock::new(state),
            reader_lock: Mutex::new(lock),
            writing: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            poison: OnceLock::new(),
        })
    }

    /// Reads the store with the lock held. A store that nobody ever wrote to
    /// has none; if one appears while it is read, it is read again.
    fn load_locked(env: &Env) -> Result<(Option<Arc<LockFile>>, State)> {
        loop {
            let lock = LockFile::open(&env.folder.lock())?.map(Arc::new);
            let _guard = lock.as_ref().map(|lock| lock.shared()).transpose()?;
            let state = recovery::load(env);
            if lock.is_some() || !env.folder.lock().exists() {
                return Ok((lock, state?));
            }
        }
    }

    pub(crate) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses work on a closed or poisoned handle.
    pub(crate) fn check_open(&self, operation: &'static str) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(errors::closed(operation, &self.env.location));
        }
        match self.poison.get() {
            Some(reason) => Err(errors::poisoned(operation, &self.env.location, reason)),
            None => Ok(()),
        }
    }

    /// Marks the handle closed; `false` if it was already.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    /// Gives all files back.
    pub(crate) fn release(&self) {
        *self.state_mut() = State::default();
        self.cache().clear();
        *self.reader_lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn poison(&self, reason: &str) {
        tracing::error!(store = %self.env.location, reason, "the store stops: open it again");
        let _ = self.poison.set(reason.to_owned());
    }

    pub(crate) fn poisoned(&self) -> Option<&str> {
        self.poison.get().map(String::as_str)
    }

    pub(crate) fn set_writing(&self, writing: bool) {
        self.writing.store(writing, Ordering::Release);
    }

    /// Makes every commit visible that was acknowledged before this call, by
    /// whichever process. Blocks while a writer of another process syncs.
    pub(crate) fn catch_up(&self, operation: &'static str) -> Result<()> {
        self.check_open(operation)?;
        if self.writing.load(Ordering::Acquire) || self.is_current(&self.state())? {
            return Ok(());
        }
        let mut lock = self.reader_lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none() {
            *lock = LockFile::open(&self.env.folder.lock())?.map(Arc::new);
        }
        self.check_open(operation)?;
        if lock.is_none() {
            let (found, state) = Self::load_locked(&self.env)?;
            *lock = found;
            *self.state_mut() = state;
            self.cache().clear();
            return Ok(());
        }
        let _guard = lock.as_ref().map(|lock| lock.shared()).transpose()?;
        if self.is_current(&self.state())? {
            return Ok(());
        }
        self.refresh(true)
    }

    /// Whether the files are still as this state knows them.
    pub(crate) fn is_current(&self, state: &State) -> Result<bool> {
        let now = Signature::of_path(&self.env.folder.journal())?;
        let journal_same = match (&state.journal, now) {
            (None, None) => true,
            (Some(known), Some(now)) => known.inode == now.inode && known.end == now.len,
            _ => false,
        };
        if !journal_same {
            return Ok(false);
        }
        if state.files.is_empty() && state.journal.is_none() {
            // There was no store; a data file may have come since.
            return Ok(state.layout.existing(&self.env, true)?.is_empty());
        }
        self.files_current(state)
    }

    fn files_current(&self, state: &State) -> Result<bool> {
        for file in &state.files {
            if Signature::of_path(&file.path)? != Some(file.signature) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Brings the state up to the files; the lock is held. `sync`: makes sure
    /// that frames of a writer that died are durable before they are seen.
    pub(crate) fn refresh(&self, sync: bool) -> Result<()> {
        let mut state = self.state_mut();
        if !self.read_new_frames(&mut state)? {
            *state = recovery::load(&self.env)?;
            self.cache().clear();
        }
        if sync
            && self.env.settings.sync_writes
            && let Some(journal) = &state.journal
        {
            let path = self.env.folder.journal();
            journal.file.sync_data().map_err(|e| errors::io("read the journal", &path, e))?;
        }
        Ok(())
    }

    /// Reads what was added to the journal that is open. `false` when the
    /// whole store has to be read anew.
    fn read_new_frames(&self, state: &mut State) -> Result<bool> {
        let now = Signature::of_path(&self.env.folder.journal())?;
        let (Some(known), Some(now)) = (&state.journal, now) else { return Ok(false) };
        if known.inode != now.inode || now.len < known.end || !self.files_current(state)? {
            return Ok(false);
        }
        Ok(recovery::read_on(&self.env, state, true)?.is_none())
    }
}

/// The collection of a state.
pub(crate) fn collection<'s>(
    env: &Env,
    state: &'s State,
    operation: &'static str,
    name: &CollectionName,
) -> Result<&'s Collection> {
    state.collections.get(name).ok_or_else(|| not_prepared(operation, name, &env.location))
}
