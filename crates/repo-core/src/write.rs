//! Conditional writes, the one primitive behind every change, and what
//! `commit` and `apply` answer.

use std::sync::Arc;

use crate::precondition::{FailedPrecondition, Precondition};
use crate::{Attribution, Document, Key, Timestamp, Version};

/// What a write does once its precondition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Stores this document.
    Put(Document),
    /// Leaves a tombstone. With [`Precondition::Any`] and no live entity: nothing.
    Delete,
    /// Changes nothing, and only checks the precondition.
    Check,
}

/// One conditional write of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// What it is about; a key stands at most once in a commit.
    pub key: Key,
    /// What must hold.
    pub precondition: Precondition,
    /// What is done.
    pub change: Change,
    /// Who does it, and why; kept where history is kept.
    pub attribution: Option<Arc<Attribution>>,
}

impl Write {
    /// Stores `document` under `key` if `precondition` holds.
    #[must_use]
    pub fn put(key: Key, document: Document, precondition: Precondition) -> Self {
        Self { key, precondition, change: Change::Put(document), attribution: None }
    }

    /// Deletes `key` if `precondition` holds.
    #[must_use]
    pub fn delete(key: Key, precondition: Precondition) -> Self {
        Self { key, precondition, change: Change::Delete, attribution: None }
    }

    /// Only checks that `precondition` holds for `key`.
    #[must_use]
    pub fn check(key: Key, precondition: Precondition) -> Self {
        Self { key, precondition, change: Change::Check, attribution: None }
    }

    /// The same, by somebody for a reason.
    #[must_use]
    pub fn attributed_to(mut self, attribution: Option<Arc<Attribution>>) -> Self {
        self.attribution = attribution;
        self
    }

    /// The failure to report when the live version is `actual` and the
    /// precondition does not hold; `None` when it holds. Collect these for all
    /// writes and hand them to [`Error::preconditions`](crate::Error::preconditions).
    #[must_use]
    pub fn failure(&self, actual: Option<Version>) -> Option<(FailedPrecondition, bool)> {
        if self.precondition.holds(actual) {
            return None;
        }
        let failure =
            FailedPrecondition { key: self.key.clone(), expected: self.precondition, actual };
        Some((failure, matches!(self.change, Change::Check)))
    }
}

/// What one write of a successful commit did, in the order of the writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The document was stored.
    Put {
        /// Its new version.
        version: Version,
        /// When the entity was created.
        created_at: Timestamp,
        /// When this version was written.
        updated_at: Timestamp,
    },
    /// A live entity was deleted.
    Deleted {
        /// The version of the tombstone.
        version: Version,
        /// When it was deleted.
        deleted_at: Timestamp,
    },
    /// Nothing changed: a check, or a delete of what was not there.
    Unchanged,
}

impl Written {
    /// The version that the write left, if it wrote.
    #[must_use]
    pub fn version(self) -> Option<Version> {
        match self {
            Self::Put { version, .. } | Self::Deleted { version, .. } => Some(version),
            Self::Unchanged => None,
        }
    }
}

/// What `apply` did with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Applied {
    /// Its version was higher than the stored one, and it was written.
    Applied,
    /// The stored record has the same version and the same content.
    Equal,
    /// The stored record has a higher version.
    Older,
    /// The stored record has the same version and other content.
    Diverged,
}
