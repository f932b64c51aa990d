//! What forbids to delete something.

use repo_core::{EntityId, Timestamp};
use serde::{Deserialize, Serialize};

use super::owner::Owner;

/// A hold: as long as there is one, its record is neither deleted nor removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// By which it is released; given by whoever places it.
    pub id: EntityId,
    /// Why, in words.
    pub reason: String,
    /// Who placed it.
    pub by: Owner,
    /// When.
    pub at: Timestamp,
}
