//! What a read of the feed gives.

use crate::strategy::{FeedPosition, Record};
use crate::{Key, Version};

/// A part of the change feed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// What follows the position that was asked from, oldest first; none when that
    /// is the head of the feed.
    pub changes: Vec<RecordChange>,
    /// Where to read on.
    pub next: FeedPosition,
}

/// One write, as the feed knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordChange {
    /// Where a reader stands that has this change and everything before it.
    pub position: FeedPosition,
    /// Which record was written.
    pub key: Key,
    /// The version that was written.
    pub version: Version,
    /// Whether the write deleted the entity.
    pub deleted: bool,
    /// The record as it was stored when the feed was read: of this version or a
    /// higher one. `None` when it is no longer there: a purge removed the tombstone.
    pub record: Option<Record>,
    /// Whether `record` is what this write stored. Where it is not, a later change
    /// of the key follows.
    pub exact: bool,
}

impl Changes {
    /// For strategies.
    #[must_use]
    pub fn new(changes: Vec<RecordChange>, next: FeedPosition) -> Self {
        Self { changes, next }
    }
}
