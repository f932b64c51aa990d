//! What preparing, purging and looking at a store answer.

use crate::CollectionName;

/// What [`state_mark`](crate::strategy::StorageStrategy::state_mark) answers; to be compared
/// with others of the same handle, and with nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMark(String);

impl StateMark {
    /// For strategies: a mark of whatever tells their states apart.
    #[must_use]
    pub fn new(mark: String) -> Self {
        Self(mark)
    }
}

/// A transaction that somebody has open on a store; see
/// [`oldest_transaction`](crate::strategy::StorageStrategy::oldest_transaction).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct OpenTransaction {
    /// The process of the server that has it.
    pub pid: i64,
    /// The program, as it called itself; empty when it did not.
    pub application_name: String,
    /// For how many seconds it is open.
    pub age_seconds: u64,
}

impl OpenTransaction {
    /// For strategies: what the server says.
    #[must_use]
    pub const fn new(pid: i64, application_name: String, age_seconds: u64) -> Self {
        Self { pid, application_name, age_seconds }
    }
}

/// What `prepare` did for one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prepared {
    /// The collection.
    pub collection: CollectionName,
    /// What happened.
    pub change: PrepareChange,
}

impl Prepared {
    /// What was done for a collection.
    #[must_use]
    pub const fn new(collection: CollectionName, change: PrepareChange) -> Self {
        Self { collection, change }
    }
}

/// What `prepare` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PrepareChange {
    /// It was not there and was made.
    Created,
    /// Indexes, views or the schema version were brought up to date.
    Updated,
    /// It was already as declared.
    Unchanged,
}

/// What `purge` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Purged {
    /// Tombstones removed.
    pub removed: u64,
    /// The floor of the collection now.
    pub floor: u64,
}

impl Purged {
    /// How many tombstones were removed, and the floor since.
    #[must_use]
    pub const fn new(removed: u64, floor: u64) -> Self {
        Self { removed, floor }
    }
}
