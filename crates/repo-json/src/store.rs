//! One open handle: its state, and how it is kept up with other processes.
//!
//! A writer holds the lock exclusively from catching up to the end of the sync.
//! A reader first looks whether the files are still the ones it knows; only if
//! not it takes the lock, shared, and catches up.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

use plain_json::Signature;
use repo_core::strategy::{OpenState, handle_closed, not_prepared};
use repo_core::{CollectionName, Error, Result};

use crate::cache::Cache;
use crate::checkpoint::Failure;
use crate::env::Env;
use crate::errors;
use crate::hooks::Step;
use crate::lock::LockFile;
use crate::publish_edits;
use crate::recovery;
use crate::state::{Collection, Repair, State};
use crate::sweep::Sweeps;

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
    open: OpenState,
    /// Whether the writer ended after it had answered all that it took.
    ended: AtomicBool,
    /// Why this handle can do nothing more.
    poison: OnceLock<String>,
    cache: Mutex<Cache>,
    sweeps: Mutex<Sweeps>,
}

impl Store {
    /// Reads the store as it is, without changing anything.
    pub(crate) fn open(env: Env) -> Result<Self> {
        let (lock, state) = Self::load_locked(&env)?;
        Ok(Self {
            cache: Mutex::new(Cache::new(env.settings.cache_size)),
            sweeps: Mutex::default(),
            env,
            state: RwLock::new(state),
            reader_lock: Mutex::new(lock),
            writing: AtomicBool::new(false),
            open: OpenState::default(),
            ended: AtomicBool::new(false),
            poison: OnceLock::new(),
        })
    }

    /// Reads the store with the lock held. A store that nobody ever wrote to
    /// has none; if one appears while it is read, it is read again.
    fn load_locked(env: &Env) -> Result<(Option<Arc<LockFile>>, State)> {
        loop {
            let lock = LockFile::open(&env.folder.lock())?.map(Arc::new);
            let guard = lock.map_or(Ok(None), |lock| lock.shared())?;
            let state = recovery::load(env);
            if guard.is_some() || !env.folder.lock().exists() {
                let state = state?;
                sync_found(env, &state)?;
                return Ok((guard.map(|guard| guard.file()), state));
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

    pub(crate) fn sweeps(&self) -> MutexGuard<'_, Sweeps> {
        self.sweeps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses work on a closed or poisoned handle.
    pub(crate) fn check_open(&self, operation: &'static str) -> Result<()> {
        self.open.check(operation, &self.env.location)?;
        match self.poison.get() {
            Some(reason) => Err(errors::poisoned(operation, &self.env.location, reason)),
            None => Ok(()),
        }
    }

    /// Refuses work on a handle that cannot write.
    pub(crate) fn check_writable(&self, operation: &'static str) -> Result<()> {
        self.check_open(operation)?;
        self.env.options.check_writable(operation, &self.env.location)
    }

    /// Marks the handle closed; `false` if it was already.
    pub(crate) fn close(&self) -> bool {
        self.open.close()
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

    /// Notes that the writer ended, and owes no answer.
    pub(crate) fn writer_ended(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Why a request got no answer.
    pub(crate) fn unanswered(&self, operation: &'static str) -> Error {
        match self.ended.load(Ordering::Acquire) {
            true => handle_closed(operation, &self.env.location),
            false => errors::unanswered(operation, &self.env.location),
        }
    }

    /// Whether a collection is known to be prepared. It never waits: `false`
    /// while something changes the state, too.
    pub(crate) fn surely_has(&self, name: &CollectionName) -> bool {
        match self.state.try_read() {
            Ok(state) => state.collections.contains_key(name),
            Err(_) => false,
        }
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
        let guard = lock.take().map_or(Ok(None), |lock| lock.shared())?;
        if let Some(guard) = guard {
            *lock = Some(guard.file());
            if self.is_current(&self.state())? || self.refresh(false)? {
                return Ok(());
            }
        } else {
            let (found, state) = Self::load_locked(&self.env)?;
            *lock = found;
            if !self.has_to_record(&state) {
                *self.state_mut() = state;
                self.cache().clear();
                return Ok(());
            }
        }
        let file = match lock.take() {
            Some(file) => file,
            None => Arc::new(LockFile::create(&self.env.folder.lock())?),
        };
        let guard = file.exclusive()?;
        *lock = Some(guard.file());
        self.refresh(true).map(drop)
    }

    /// The state, where it is what the files hold, without waiting for anybody;
    /// `None` where that is not to be had so.
    pub(crate) fn current_state(&self) -> Option<RwLockReadGuard<'_, State>> {
        self.check_open("read").ok()?;
        let state = self.state.try_read().ok()?;
        let current = self.writing.load(Ordering::Acquire) || self.is_current(&state).ok()?;
        current.then_some(state)
    }

    /// Whether an edit was taken in whose versions nobody may see before they
    /// are recorded: they could be given a second time otherwise.
    fn has_to_record(&self, state: &State) -> bool {
        state.repair == Repair::Rebase && !self.env.options.read_only
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
            return Ok(!state.layout.has_files(&self.env)?);
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

    /// Brings the state up to the files; the lock is held. Frames of a writer
    /// that died are made durable before they are seen. `exclusive`: the lock
    /// is held exclusively, and edits that are taken in are recorded. Without
    /// that it gives `false`, and changes nothing, when there are any.
    pub(crate) fn refresh(&self, exclusive: bool) -> Result<bool> {
        let mut state = self.state_mut();
        if !self.read_new_frames(&mut state)? {
            let mut loaded = recovery::load(&self.env)?;
            if self.has_to_record(&loaded) {
                if !exclusive {
                    return Ok(false);
                }
                loaded = self.record(loaded)?;
            }
            *state = loaded;
            self.cache().clear();
        }
        sync_found(&self.env, &state).inspect_err(|error| {
            self.poison(&format!("frames of another writer could not be synced: {error}"));
        })?;
        Ok(true)
    }

    fn record(&self, loaded: State) -> Result<State> {
        publish_edits::record(&self.env, loaded).map_err(|failure| match failure {
            Failure::Before(error) => error,
            Failure::Within(error) => {
                self.poison(&format!("a checkpoint was broken off: {error}"));
                error
            }
        })
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

/// Makes the frames durable that were found in the journal: their writer may
/// have died before its sync.
fn sync_found(env: &Env, state: &State) -> Result<()> {
    let found = state.journal.as_ref().filter(|journal| !journal.is_empty());
    let Some(journal) = found.filter(|_| env.settings.sync_writes) else { return Ok(()) };
    let path = env.folder.journal();
    let synced = env.hooks.step(Step::SyncFound).and_then(|()| journal.file.sync_data());
    match synced {
        // Where nothing can be written nothing waits to be synced.
        Err(e) if env.options.read_only && e.kind() == io::ErrorKind::ReadOnlyFilesystem => Ok(()),
        synced => synced.map_err(|e| errors::io("read the journal", &path, e)),
    }
}

/// The collection of a state.
pub(crate) fn collection<'s>(
    env: &Env,
    state: &'s State,
    operation: &'static str,
    name: &CollectionName,
) -> Result<&'s Collection> {
    state.collections.get(name).ok_or_else(|| match state.left_out.contains(name) {
        true => errors::not_selected(operation, name, &env.location),
        false => {
            let known = state.collections.keys().chain(&state.left_out);
            not_prepared(operation, name, &env.location, known)
        }
    })
}
