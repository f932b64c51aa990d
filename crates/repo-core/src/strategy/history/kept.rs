//! Of which collections history is kept, and for how long.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::{CollectionName, Error, ErrorKind, Result, Timestamp};

/// The history of one collection. Part of the
/// [store's own record](crate::strategy::StoreRecord).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryState {
    /// From when on every version is kept. What was valid earlier is not known.
    pub since: Timestamp,
    /// What is removed when somebody asks for it.
    #[serde(default, skip_serializing_if = "Retention::is_everything")]
    pub retention: Retention,
}

impl HistoryState {
    /// A history that begins at this time and keeps everything.
    #[must_use]
    pub const fn new(since: Timestamp) -> Self {
        Self { since, retention: Retention::EVERYTHING }
    }

    /// The same with another [`retention`](Self::retention).
    #[must_use]
    pub const fn with_retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// For strategies: before which time a purge may remove tombstones, where
    /// `history` is kept.
    #[must_use]
    pub fn purgeable(history: Option<&Self>, older_than: Timestamp) -> Timestamp {
        history.map_or(older_than, |kept| older_than.min(kept.since))
    }

    /// For strategies: what is kept once `next` is asked for by a caller that believes
    /// `expected` to be stored. The beginning of a history never falls: what was removed
    /// does not come back.
    ///
    /// # Errors
    /// `Locked` when something else is stored.
    pub fn replace(
        stored: Option<Self>,
        expected: Option<Self>,
        next: Option<Self>,
    ) -> Result<Option<Self>> {
        if stored != expected {
            let why = "the history of the collection was changed by another program meanwhile";
            return Err(Error::new(ErrorKind::Locked, "keep the history", why)
                .hint("read the store's record again"));
        }
        Ok(match (stored, next) {
            (Some(stored), Some(next)) => {
                Some(Self { since: stored.since.max(next.since), ..next })
            }
            (_, next) => next,
        })
    }
}

/// Which older versions are worth keeping. Without a limit: all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Seconds after which a version that was replaced may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,
    /// Older versions kept of each record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_versions: Option<NonZeroU32>,
}

impl Retention {
    /// Nothing is ever removed.
    pub const EVERYTHING: Self = Self { max_age_seconds: None, max_versions: None };

    /// Whether nothing is ever removed.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::EVERYTHING
    }
}

/// For strategies: the error for a collection of which no history is kept.
#[must_use]
pub fn no_history(operation: &'static str, collection: &CollectionName, location: &str) -> Error {
    Error::new(ErrorKind::NotFound, operation, "no history of the collection is kept")
        .with("collection", collection)
        .with("store", location)
        .hint(format!("it begins with {}", crate::strategy::Action::KeepHistory))
}
