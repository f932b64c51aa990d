//! What aggregates know, between the store and the next checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repo_core::strategy::{StorageStrategy, SystemCollection, SystemWrite};
use repo_core::{Error, Result};
use serde::de::DeserializeOwned;

use crate::stored::{Stored, from_text};
use crate::{ConsumerName, Consumers, HandlerError};

/// Most bytes of the key of an aggregate's state.
pub const MAX_STATE_KEY_BYTES: usize = 300;

/// Bytes of states that are kept in memory; beyond them they are read again.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// Where the states of a consumer lie. Those of an earlier subscription of the same name
/// are others.
pub(crate) fn prefix(consumer: &ConsumerName, stored: &Stored) -> String {
    format!("{consumer}/{:016x}/", stored.subscribed_at.as_micros())
}

/// States as text, by the key of their item.
#[derive(Debug, Default)]
pub(crate) struct States {
    known: BTreeMap<String, Known>,
    changed: BTreeSet<String>,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Known {
    stored: Option<String>,
    now: Option<String>,
}

/// What one change did to states.
#[derive(Debug, Default)]
pub(crate) struct Updates(BTreeMap<String, Update>);

#[derive(Debug)]
struct Update {
    before: Option<String>,
    after: String,
}

impl Updates {
    /// The writes that store them, over what is stored.
    pub(crate) fn writes(&self) -> impl Iterator<Item = SystemWrite> {
        self.0
            .iter()
            .map(|(key, update)| write(key, update.before.clone(), Some(update.after.clone())))
    }
}

fn write(key: &str, before: Option<String>, after: Option<String>) -> SystemWrite {
    SystemWrite::new(SystemCollection::States, key, before, after)
}

impl States {
    /// The text of a state, if anything is known of it.
    fn get(&self, key: &str) -> Option<Option<String>> {
        self.known.get(key).map(|known| known.now.clone())
    }

    /// Takes over what was read.
    fn learn(&mut self, key: &str, stored: Option<&String>) {
        self.bytes += key.len() + stored.map_or(0, String::len);
        let (stored, now) = (stored.cloned(), stored.cloned());
        self.known.insert(key.to_owned(), Known { stored, now });
    }

    /// Takes over what a change did; it is stored with the next checkpoint.
    pub(crate) fn merge(&mut self, updates: Updates) {
        for (key, Update { before, after }) in updates.0 {
            self.bytes += key.len() + after.len();
            self.changed.insert(key.clone());
            let known = self.known.entry(key).or_insert(Known { stored: before, now: None });
            known.now = Some(after);
        }
    }

    /// How many are to be stored.
    pub(crate) fn changed(&self) -> usize {
        self.changed.len()
    }

    /// What is to be stored.
    pub(crate) fn writes(&self) -> Vec<SystemWrite> {
        let known = self.changed.iter().filter_map(|key| Some((key, self.known.get(key)?)));
        known.map(|(key, known)| write(key, known.stored.clone(), known.now.clone())).collect()
    }

    /// Notes that what was to be stored is.
    pub(crate) fn note_stored(&mut self) {
        for key in std::mem::take(&mut self.changed) {
            if let Some(known) = self.known.get_mut(&key) {
                known.stored.clone_from(&known.now);
            }
        }
        if self.bytes > KEPT_BYTES {
            self.forget();
        }
    }

    /// Forgets everything: it is read again.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// States that several look at.
pub(crate) type SharedStates = Arc<Mutex<States>>;

pub(crate) fn lock(states: &SharedStates) -> MutexGuard<'_, States> {
    states.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an attempt at one change reads, and does, to states. Nothing of it holds unless
/// the attempt succeeds.
pub(crate) struct Attempt {
    pub(crate) store: Arc<dyn StorageStrategy>,
    pub(crate) states: SharedStates,
    pub(crate) prefix: String,
    pub(crate) updates: Updates,
}

impl Attempt {
    /// Replaces the state of a key.
    pub(crate) async fn update(
        &mut self,
        aggregate: &str,
        key: &str,
        change: impl FnOnce(Option<&str>) -> std::result::Result<String, HandlerError> + Send,
    ) -> std::result::Result<(), HandlerError> {
        let is_bad = key.is_empty() || key.chars().any(char::is_control);
        if is_bad || key.len() > MAX_STATE_KEY_BYTES {
            let shown: String = key.escape_debug().take(80).collect();
            return Err(HandlerError::Failed(format!(
                "the key of a state is 1 to {MAX_STATE_KEY_BYTES} bytes without control \
                 characters: {shown}"
            )));
        }
        let item = format!("{}{aggregate}/{key}", self.prefix);
        let now = self.read(&item).await.map_err(HandlerError::Stop)?;
        let after = change(now.as_deref())?;
        if after.len() > SystemWrite::MAX_VALUE_BYTES {
            return Err(HandlerError::Failed(format!(
                "the state of {aggregate} for {key} is longer than {} bytes",
                SystemWrite::MAX_VALUE_BYTES
            )));
        }
        match self.updates.0.get_mut(&item) {
            Some(update) => update.after = after,
            None => drop(self.updates.0.insert(item, Update { before: now, after })),
        }
        Ok(())
    }

    async fn read(&self, item: &str) -> Result<Option<String>> {
        if let Some(update) = self.updates.0.get(item) {
            return Ok(Some(update.after.clone()));
        }
        if let Some(known) = lock(&self.states).get(item) {
            return Ok(known);
        }
        let stored = self.store.system_item(SystemCollection::States, item).await?;
        lock(&self.states).learn(item, stored.as_ref());
        Ok(stored)
    }
}

impl Consumers {
    /// The state that an [aggregate](crate::Chain::aggregate) has for a key, as of the
    /// last checkpoint of its consumer; `None` when it has none.
    ///
    /// # Errors
    /// `NotFound` when the consumer is not subscribed; `Corrupt` when the state is of
    /// another type.
    pub async fn state<S: DeserializeOwned>(
        &self,
        name: &ConsumerName,
        aggregate: &str,
        key: &str,
    ) -> Result<Option<S>> {
        let (stored, _) = self.read(name).await?;
        let item = format!("{}{aggregate}/{key}", prefix(name, &stored));
        let text = self.store.system_item(SystemCollection::States, &item).await?;
        text.map(|text| from_text(&item, &text)).transpose()
    }

    /// At most `most` of the states of an [aggregate](crate::Chain::aggregate) with their
    /// keys, in the order of the bytes of the keys, after `after`.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub async fn states<S: DeserializeOwned>(
        &self,
        name: &ConsumerName,
        aggregate: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Result<Vec<(String, S)>> {
        let (stored, _) = self.read(name).await?;
        let prefix = format!("{}{aggregate}/", prefix(name, &stored));
        let after = after.map(|after| format!("{prefix}{after}"));
        let collection = SystemCollection::States;
        let items = self.store.system_items(collection, &prefix, after.as_deref(), most).await?;
        let read = items.into_iter().map(|item| {
            let key = item.key.get(prefix.len()..).unwrap_or_default().to_owned();
            Ok::<_, Error>((key, from_text(&item.key, &item.value)?))
        });
        read.collect()
    }

    /// Removes every state of a consumer, also of earlier subscriptions.
    pub(crate) async fn remove_states(&self, name: &ConsumerName) -> Result<()> {
        let most = NonZeroUsize::new(SystemWrite::MAX_AT_ONCE).unwrap_or(NonZeroUsize::MIN);
        loop {
            let collection = SystemCollection::States;
            let items =
                self.store.system_items(collection, &format!("{name}/"), None, most).await?;
            if items.is_empty() {
                return Ok(());
            }
            let removals = items.into_iter().map(|item| write(&item.key, Some(item.value), None));
            self.store.write_system_items(removals.collect()).await?;
        }
    }
}
