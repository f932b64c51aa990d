//! A store with a consumer, whose clock the test moves.
#![allow(dead_code, reason = "no test uses all of it")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use repo_core::strategy::{OpenOptions, StorageStrategy, StorageStrategyExt as _, SystemWrite};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, Error, ErrorKind, Key, ManualClock,
    MemoryStrategy, Result, Timestamp,
};
use repo_feed::{ConsumerName, Consumers, SubscribeOptions};
use repo_layers::{Inner, Layer};

pub(crate) type Store = Arc<dyn StorageStrategy>;

pub(crate) fn key(id: &str) -> Key {
    Key::new(CollectionName::new("items").unwrap(), EntityId::new(id).unwrap())
}

pub(crate) fn name(name: &str) -> ConsumerName {
    ConsumerName::new(name).unwrap()
}

pub(crate) async fn save(store: &Store, id: &str) {
    let document = Document::parse(&format!(r#"{{"id":"{id}"}}"#)).unwrap();
    store.save(key(id), document).await.unwrap();
}

pub(crate) struct Place {
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) consumers: Consumers,
}

pub(crate) async fn on(store: Store) -> Place {
    let items = CollectionSchema::undeclared(CollectionName::new("items").unwrap());
    store.prepare(&[items]).await.unwrap();
    let start = Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
    let clock = Arc::new(ManualClock::new(start));
    let consumers = Consumers::new(Arc::clone(&store)).with_clock(clock.clone());
    Place { store, clock, consumers }
}

pub(crate) async fn memory() -> Place {
    on(Arc::new(MemoryStrategy::new(OpenOptions::default()))).await
}

/// A place with the consumer `a`, which has everything before it.
pub(crate) async fn subscribed() -> Place {
    let place = memory().await;
    place.consumers.subscribe(&name("a"), SubscribeOptions::default()).await.unwrap();
    place
}

/// What becomes of a write of the engine's own items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// It is not done.
    Refused,
    /// It is done, and nobody hears of it.
    Unheard,
    /// The same, and the caller waits for ever.
    Hangs,
}

/// A layer that decides what becomes of each write of the engine's own items.
#[derive(Debug, Default, Clone)]
pub(crate) struct Crashes(Arc<Mutex<VecDeque<Fate>>>);

impl Crashes {
    /// The fates of the next writes; those after them are done.
    pub(crate) fn plan(&self, fates: impl IntoIterator<Item = Fate>) {
        *self.0.lock().unwrap() = fates.into_iter().collect();
    }

    /// Takes the planned fates away.
    pub(crate) fn pause(&self) -> Vec<Fate> {
        self.0.lock().unwrap().drain(..).collect()
    }

    /// How many planned fates are left.
    pub(crate) fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Layer for Crashes {
    async fn write_system_items(&self, inner: &Inner, writes: Vec<SystemWrite>) -> Result<()> {
        let fate = self.0.lock().unwrap().pop_front().unwrap_or(Fate::Done);
        let crash = |kind| Error::new(kind, "write", "the test breaks it off");
        if fate == Fate::Refused {
            return Err(crash(ErrorKind::Unavailable));
        }
        inner.write_system_items(writes).await?;
        match fate {
            Fate::Unheard => Err(crash(ErrorKind::OutcomeUnknown)),
            Fate::Hangs => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

/// A place whose writes crash as planned.
pub(crate) async fn crashing() -> (Place, Crashes) {
    let crashes = Crashes::default();
    let store: Store = Arc::new(MemoryStrategy::new(OpenOptions::default()));
    (on(crashes.clone().around(store)).await, crashes)
}
