//! The registry of strategy factories: how a name in the configuration
//! becomes an open store. A user's own strategy is registered the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::strategy::{LiveId, OnUnreadable, Scratch, StorageStrategy};
use crate::strategy::{did_you_mean, suggestion_before};
use crate::{
    Clock, CollectionName, DEFAULT_MAX_ENTITY_BYTES, Error, ErrorKind, Result, Schemas, SystemClock,
};

/// What a factory needs besides its own settings.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Open for reading only: the store has to exist, and nothing is made.
    pub read_only: bool,
    /// The declared collections.
    pub schemas: Arc<Schemas>,
    /// Where timestamps come from.
    pub clock: Arc<dyn Clock>,
    /// Most bytes of one document by [`Document::size`](crate::Document::size).
    pub max_entity_bytes: usize,
    /// What scans do with a record that cannot be read. Has no effect on a
    /// store that is open for writing.
    pub unreadable: OnUnreadable,
    /// The collections that are going to be read; `None` for all. What is
    /// not among them need not be readable: a strategy neither opens nor checks
    /// it where that saves anything, and only lists the names that it learns
    /// of anyway. Reading such a collection is `Unsupported` then. Has no
    /// effect on a store that is open for writing, which keeps all it holds.
    pub only: Option<Arc<BTreeSet<CollectionName>>>,
    /// The live migration that this handle works for: it may apply records to
    /// both of its stores, whatever their role, and to no other store. `None`
    /// for a program that uses the store.
    pub works_for: Option<LiveId>,
    /// Whether what another program keeps is opened as well, as a store that is only read.
    /// Without it such a place is refused in the words in which it is refused for
    /// writing: so a target is looked at. Has no effect on a store that is open for
    /// writing.
    pub foreign: bool,
}

impl OpenOptions {
    /// The same with another [`read_only`](Self::read_only).
    #[must_use]
    pub fn with_read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// The same with another [`schemas`](Self::schemas).
    #[must_use]
    pub fn with_schemas(mut self, schemas: Arc<Schemas>) -> Self {
        self.schemas = schemas;
        self
    }

    /// The same with another [`clock`](Self::clock).
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The same with another [`max_entity_bytes`](Self::max_entity_bytes).
    #[must_use]
    pub fn with_max_entity_bytes(mut self, max_entity_bytes: usize) -> Self {
        self.max_entity_bytes = max_entity_bytes;
        self
    }

    /// The same with another [`unreadable`](Self::unreadable).
    #[must_use]
    pub fn with_unreadable(mut self, unreadable: OnUnreadable) -> Self {
        self.unreadable = unreadable;
        self
    }

    /// The same with another [`only`](Self::only).
    #[must_use]
    pub fn with_only(mut self, only: Option<Arc<BTreeSet<CollectionName>>>) -> Self {
        self.only = only;
        self
    }

    /// The same with another [`works_for`](Self::works_for).
    #[must_use]
    pub fn with_works_for(mut self, works_for: Option<LiveId>) -> Self {
        self.works_for = works_for;
        self
    }

    /// The same with another [`foreign`](Self::foreign).
    #[must_use]
    pub fn with_foreign(mut self, foreign: bool) -> Self {
        self.foreign = foreign;
        self
    }

    /// Whether what another program keeps may be opened.
    #[must_use]
    pub fn opens_foreign(&self) -> bool {
        self.read_only && self.foreign
    }

    /// What scans do with a record that cannot be read.
    #[must_use]
    pub fn on_unreadable(&self) -> OnUnreadable {
        if self.read_only { self.unreadable } else { OnUnreadable::Fail }
    }

    /// Refuses a write on a store that is open for reading only. `location` is
    /// that of the store.
    ///
    /// # Errors
    /// `Unsupported` when [`read_only`](Self::read_only) is set.
    pub fn check_writable(&self, operation: &'static str, location: &str) -> Result<()> {
        if self.read_only {
            let why = "the store is open for reading only";
            return Err(Error::new(ErrorKind::Unsupported, operation, why).with("store", location));
        }
        Ok(())
    }

    /// The selection in force: `None` where everything is opened.
    #[must_use]
    pub fn selection(&self) -> Option<&BTreeSet<CollectionName>> {
        self.only.as_deref().filter(|_| self.read_only)
    }

    /// Whether what goes by this name is opened and checked.
    #[must_use]
    pub fn selects(&self, name: &str) -> bool {
        self.selection().is_none_or(|only| only.contains(name))
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            read_only: false,
            schemas: Arc::default(),
            clock: Arc::new(SystemClock),
            max_entity_bytes: DEFAULT_MAX_ENTITY_BYTES,
            unreadable: OnUnreadable::default(),
            only: None,
            works_for: None,
            foreign: true,
        }
    }
}

/// Makes open stores of one kind.
#[async_trait]
pub trait StrategyFactory: fmt::Debug + Send + Sync {
    /// The name in `storage.strategy` and of `--source-type`: `json`.
    fn name(&self) -> &'static str;

    /// One line on what it is, for `repoctl strategies`.
    fn summary(&self) -> &'static str;

    /// The key of its settings within `storage`: `json_strategy`. Two
    /// factories may share one.
    fn settings_key(&self) -> &'static str;

    /// Checks the settings without touching the store.
    ///
    /// # Errors
    /// `ConfigInvalid` for an unknown key (the nearest known one in the hint)
    /// or a wrong value; `Unsupported` for a value not yet supported.
    /// `settings` is an object; keys left out have their defaults.
    fn check(&self, settings: &Json) -> Result<()>;

    /// The JSON Schema of the settings, for `schemas/config.schema.json`.
    fn settings_schema(&self) -> Json;

    /// The settings of a store named by URL, or `None` if the URL is not of
    /// this kind. `json:DIR`, `sqlite:FILE`, …
    ///
    /// # Errors
    /// `ConfigInvalid` when the URL is of this kind but malformed.
    fn settings_from_url(&self, url: &str) -> Result<Option<Json>>;

    /// Checks that this build can open stores of this kind at all. A strategy
    /// that a cargo feature left out may stay known by its name, so that one
    /// configuration serves several builds.
    ///
    /// # Errors
    /// `Unsupported`, by [`left_out`](crate::strategy::left_out), where it
    /// cannot.
    fn check_built_in(&self) -> Result<()> {
        Ok(())
    }

    /// Opens the store. A store that does not exist is `NotFound` when opened
    /// read-only; opened for writing it is left to `prepare` to make.
    async fn open(&self, settings: &Json, options: OpenOptions)
    -> Result<Arc<dyn StorageStrategy>>;

    /// A scratch place for a store with these settings: of the same kind, in the same medium,
    /// and apart from it. `open` with its settings gives a store that was never prepared. A
    /// folder is made at once, on a server nothing before `prepare`.
    ///
    /// # Errors
    /// `Unsupported` for a strategy whose stores are not made by this engine, as this default
    /// answers; `ConfigInvalid` as [`check`](Self::check); for files what making a folder
    /// gives.
    fn scratch(&self, _settings: &Json) -> Result<Scratch> {
        let why = "there are no scratch places for stores of this kind";
        Err(Error::new(ErrorKind::Unsupported, "make a scratch place", why)
            .with("strategy", self.name()))
    }

    /// Removes a scratch place of this factory, with everything in it, and nothing else. Every
    /// handle on it is closed. Safe to repeat. This default knows places in memory and folders.
    ///
    /// # Errors
    /// What the files or the server report; the error says what is left where.
    async fn remove_scratch(&self, scratch: &Scratch) -> Result<()> {
        scratch.remove_folder()
    }
}

/// The factories by name.
#[derive(Debug, Clone, Default)]
pub struct Registry(BTreeMap<&'static str, Arc<dyn StrategyFactory>>);

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a factory; a later one of the same name takes its place.
    #[must_use]
    pub fn with(mut self, factory: impl StrategyFactory + 'static) -> Self {
        self.0.insert(factory.name(), Arc::new(factory));
        self
    }

    /// The factory of a name.
    ///
    /// # Errors
    /// `ConfigInvalid` for an unknown name, with the known ones in the hint.
    pub fn get(&self, name: &str) -> Result<&Arc<dyn StrategyFactory>> {
        self.0.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().copied().collect();
            let meant = did_you_mean(name, known.iter().copied());
            let hint = format!("known strategies: {}", known.join(", "));
            Error::new(ErrorKind::ConfigInvalid, "choose a strategy", "unknown storage strategy")
                .with("strategy", name)
                .hint(suggestion_before(meant, &hint))
        })
    }

    /// The factories by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn StrategyFactory>> {
        self.0.values()
    }

    /// The factory and the settings of a store named by URL.
    ///
    /// # Errors
    /// `ConfigInvalid` when no factory knows the URL.
    pub fn by_url(&self, url: &str) -> Result<(&Arc<dyn StrategyFactory>, Json)> {
        for factory in self.0.values() {
            if let Some(settings) = factory.settings_from_url(url)? {
                return Ok((factory, settings));
            }
        }
        let scheme = url.split(':').next().unwrap_or_default();
        let hint = "a store is named like json:DIR, sqlite:FILE, postgresql://USER@HOST/NAME, \
                    dynamodb:PREFIX or object:s3://BUCKET/PREFIX";
        let known: Vec<String> = self.0.keys().map(|name| format!("{name}:")).collect();
        let meant = did_you_mean(&format!("{scheme}:"), known.iter().map(String::as_str));
        Err(Error::new(ErrorKind::ConfigInvalid, "choose a strategy", "unknown kind of store URL")
            .with("scheme", scheme)
            .hint(suggestion_before(meant, hint)))
    }
}
