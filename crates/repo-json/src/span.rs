//! A part of the change feed.

/// The places from `first` up to `end`: those of one journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// The number in the head of the journal.
    pub(crate) journal: u64,
}
