//! What is kept of a key.

use std::time::Duration;

use repo_core::strategy::Record;
use repo_core::{Consistency, Key, Version};
use tokio::time::Instant;

/// What an entry takes besides its id and its document: the two key and record structures,
/// and what the cache notes of each entry.
const OVERHEAD: usize = 400;

/// When an operation on the store began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    /// Counts the operations.
    pub(super) number: u64,
    /// The time.
    pub(super) at: Instant,
    /// How often everything had been forgotten.
    pub(super) round: u64,
}

/// How old what a read takes may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MostAge {
    /// The store is asked.
    Strong,
    /// What is kept may be younger than that.
    Of(Duration),
}

impl MostAge {
    /// What a read of a level takes, where entries are kept for `ttl`, and where what was
    /// kept may have been old already if `from_old`.
    pub(super) fn of(level: Option<Consistency>, ttl: Duration, from_old: bool) -> Self {
        match level {
            None | Some(Consistency::Eventual) => Self::Of(ttl),
            Some(Consistency::BoundedStaleness(most)) if !from_old && !most.is_zero() => {
                Self::Of(most.min(ttl))
            }
            Some(_) => Self::Strong,
        }
    }

    /// Whether what was read `since` may be taken by a read that begins `now`.
    pub(super) fn allows(self, since: Instant, now: Instant) -> bool {
        match self {
            Self::Strong => false,
            Self::Of(most) => now.duration_since(since) < most,
        }
    }
}

/// What the store held under a key: a record, which may be a tombstone, or nothing.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Option<Record>,
    /// When the operation began that told so. The store held it at some moment since.
    pub(super) since: Begun,
}

impl Entry {
    /// The version; the lowest of all, `None`, where there is no record.
    pub(super) fn version(&self) -> Option<Version> {
        self.record.as_ref().map(Record::version)
    }

    /// How many bytes it takes, about.
    pub(super) fn weight(&self, key: &Key) -> u32 {
        let document = self.record.as_ref().and_then(Record::document);
        let text = document.map_or(0, |document| document.as_str().len());
        // The record has an id of its own.
        let bytes = OVERHEAD + 2 * key.id.as_str().len() + text;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}
