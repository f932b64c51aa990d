//! What the store keeps of a consumer.

use repo_core::strategy::{FeedPosition, StoreId, StoreRecord, SystemCollection, SystemWrite};
use repo_core::{Error, ErrorKind, Result, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ConsumerName;

/// The item of a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// How far it is; `None` before the first change that is kept.
    pub(crate) position: Option<FeedPosition>,
    pub(crate) subscribed_at: Timestamp,
    /// When it last moved on, or was found at the head.
    pub(crate) checkpoint_at: Timestamp,
    pub(crate) max_dead: usize,
    pub(crate) lease: Option<Lease>,
    /// Where it stood in the store that it came from, when its store moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
}

impl Stored {
    /// The store that it came from, where it has not moved since.
    pub(crate) fn home(&self) -> Option<StoreId> {
        self.origin.as_ref().filter(|origin| origin.here == self.position)?.store
    }

    /// Where it stood in this store, if it came from there, and has not moved since.
    pub(crate) fn at_home(&self, record: &StoreRecord) -> Option<Option<&FeedPosition>> {
        let origin = self.origin.as_ref().filter(|_| self.home().is_some())?;
        // Changes of another generation of the feed are gone.
        let is_served =
            |position: &FeedPosition| position.generation() == record.capture.generation;
        let position = origin.position.as_ref();
        (self.home() == record.id && position.is_none_or(is_served)).then_some(position)
    }
}

/// Where a consumer stood when its store moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// The store that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) store: Option<StoreId>,
    /// In the store that it came from.
    pub(crate) position: Option<FeedPosition>,
    /// Where that is in the store that took over.
    pub(crate) here: Option<FeedPosition>,
}

/// Who runs the consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// Drawn anew by each process.
    pub(crate) owner: String,
    pub(crate) process: u32,
    pub(crate) until: Timestamp,
}

/// A change of the item of a consumer.
pub(crate) fn write(
    name: &ConsumerName,
    expected: Option<String>,
    stored: Option<&Stored>,
) -> Result<SystemWrite> {
    let value = stored.map(to_text).transpose()?;
    Ok(SystemWrite::new(SystemCollection::Consumers, name.as_str(), expected, value))
}

pub(crate) fn to_text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|source| {
        let why = "an item of the engine's own cannot be written as JSON";
        Error::new(ErrorKind::Invalid, "keep a consumer", why).caused_by(source)
    })
}

/// # Errors
/// `Corrupt` for a text that is none of ours.
pub(crate) fn from_text<T: DeserializeOwned>(key: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| {
        let why = "what the store keeps of the consumer is damaged";
        Error::new(ErrorKind::Corrupt, "read a consumer", why)
            .with("key", key)
            .hint("unsubscribe the consumer, and subscribe it again")
            .caused_by(source)
    })
}

pub(crate) fn no_such_consumer(name: &ConsumerName) -> Error {
    Error::new(ErrorKind::NotFound, "find a consumer", "no consumer of this name is subscribed")
        .with("consumer", name)
        .hint("subscribe it first")
}
