//! How far an upgrade in place is, as the store keeps it.

use repo_core::{CollectionName, EntityId};
use serde::{Deserialize, Serialize};

use crate::report::Listed;
use crate::upgrade::report::Counts;

/// How far an upgrade in place is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InPlace {
    pub(crate) collection: CollectionName,
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// Lines of the archive; 0 until it is made.
    pub(crate) of: u64,
    /// So many of its first lines are done, durably.
    pub(crate) done: u64,
    /// So many lines after those are the batch that may have been written.
    pub(crate) in_flight: u64,
    /// Entities of that batch that are not written with it.
    pub(crate) aside: Vec<Aside>,
    /// What became of the lines that are done.
    pub(crate) counts: Counts,
    /// Entities that were left as they are.
    pub(crate) left: Listed,
}

/// An entity that is not written with its batch: somebody else has changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aside {
    pub(crate) id: EntityId,
    /// Why it is left as it is; none when it is deleted.
    pub(crate) left: Option<String>,
}
