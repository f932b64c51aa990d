//! Datasets.

use repo_core::{EntityId, Timestamp};
use serde::{Deserialize, Serialize};

use super::hold::Hold;
use super::json::{Fields, Json};
use super::owner::Owner;

/// A named set of entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// Its id.
    pub id: EntityId,
    /// 1 to 1,000 bytes.
    pub name: String,
    /// At most 16 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whose it is.
    pub owner: Owner,
    /// Whether it can be used.
    pub state: DatasetState,
    /// What the owner says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub modified_at: Timestamp,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// When the sweeper has to look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// What forbids to delete it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// A digest of the request that made it.
    pub fingerprint: String,
    /// What else came with it.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub extra: Fields,
}

/// Whether a dataset can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatasetState {
    /// It can.
    Active,
    /// Its entries are being deleted; nothing new comes in.
    Deleting,
    /// It is deleted, and can be restored.
    Deleted,
    /// Its entries are being restored.
    Restoring,
}
