//! What the store's own record says of its change feed.

use repo_core::strategy::Capture;

use crate::journal::JOURNAL_HEAD;

/// How far the feed reaches. A place in it is counted in bytes of journals, over
/// all of them: the first byte behind the head of a journal has the place at which
/// the journal before ended. So nothing is written to count it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FeedRecord {
    pub(crate) capture: Capture,
    /// The place at which the journal begins.
    pub(crate) base: u64,
    /// The place behind the last change.
    pub(crate) head: u64,
    /// Up to which place changes were removed.
    pub(crate) trimmed: u64,
}

impl FeedRecord {
    /// The place of a byte of the journal.
    pub(crate) fn place(&self, byte: u64) -> u64 {
        self.base + byte.saturating_sub(JOURNAL_HEAD)
    }

    /// Removes the changes up to a place. The feed never ends before it.
    pub(crate) fn trim(&mut self, through: u64) {
        self.trimmed = through;
        self.head = self.head.max(through);
    }
}
