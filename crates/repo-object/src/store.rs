//! One open handle: what it knows of its store.

use std::sync::{
    Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

use repo_core::Result;
use repo_core::strategy::OpenState;

use crate::cache::Cache;
use crate::env::Env;
use crate::errors;
use crate::feed_part::LastPart;
use crate::moment::Moment;
use crate::probe::Probe;
use crate::state::State;

/// One open handle on a store.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) env: Env,
    state: RwLock<State>,
    pub(crate) probe: Probe,
    cache: Mutex<Cache>,
    open: OpenState,
    /// Why this handle can do nothing more.
    poison: OnceLock<String>,
    /// When a list last showed that the end of the log is one.
    end_checked: Mutex<Moment>,
    /// Held by who makes a checkpoint.
    pub(crate) checkpointing: tokio::sync::Mutex<()>,
    /// Changes that were read last from an object.
    pub(crate) last_part: LastPart,
}

impl Store {
    pub(crate) fn new(env: Env, state: State) -> Self {
        Self {
            cache: Mutex::new(Cache::new(env.settings.cache_bytes)),
            env,
            state: RwLock::new(state),
            probe: Probe::default(),
            open: OpenState::default(),
            poison: OnceLock::new(),
            end_checked: Mutex::new(Moment::now()),
            checkpointing: tokio::sync::Mutex::default(),
            last_part: LastPart::default(),
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

    pub(crate) fn end_checked(&self) -> Moment {
        *self.end_checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_end_checked(&self, at: Moment) {
        *self.end_checked.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Refuses work on a closed handle.
    pub(crate) fn check_not_closed(&self, operation: &'static str) -> Result<()> {
        self.open.check(operation, &self.env.location)
    }

    /// Refuses work on a closed or poisoned handle.
    pub(crate) fn check_open(&self, operation: &'static str) -> Result<()> {
        self.check_not_closed(operation)?;
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

    /// Gives the memory back, once nobody is about to change the state.
    pub(crate) async fn release(&self) {
        let turn = self.probe.turn().await;
        *self.state_mut() = State::new(Moment::now());
        self.cache().clear();
        drop(turn);
    }

    /// Stops the handle: what it has read does not hold together.
    pub(crate) fn poison(&self, reason: &str) {
        tracing::error!(store = %self.env.location, reason, "the store stops: open it again");
        let _ = self.poison.set(reason.to_owned());
    }

    pub(crate) fn poisoned(&self) -> Option<&str> {
        self.poison.get().map(String::as_str)
    }
}
