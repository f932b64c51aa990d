//! Who holds how much.

use std::fmt;

use serde::{Deserialize, Serialize};

/// For what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// An owner.
    Owner,
    /// A dataset.
    Dataset,
    /// A store of blobs; only bytes are counted.
    Store,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => "owner",
            Self::Dataset => "dataset",
            Self::Store => "store",
        })
    }
}

/// What an owner, a dataset or a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Entries that are active.
    pub entries: i64,
    /// Datapoints that are active.
    pub datapoints: i64,
    /// Bytes of what is active, revisions included.
    pub bytes: i64,
    /// Bytes of what is deleted and can be restored.
    pub condemned_bytes: i64,
}

impl Usage {
    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries.saturating_add(other.entries),
            datapoints: self.datapoints.saturating_add(other.datapoints),
            bytes: self.bytes.saturating_add(other.bytes),
            condemned_bytes: self.condemned_bytes.saturating_add(other.condemned_bytes),
        }
    }
}

/// One of several counters of one name: their sum counts. Who writes takes another one than
/// who writes at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRecord {
    /// Scope, digest of the name, number of the counter.
    pub id: String,
    /// For what is counted.
    pub scope: Scope,
    /// The owner, dataset or store.
    pub name: String,
    /// What this one counts.
    pub usage: Usage,
}
