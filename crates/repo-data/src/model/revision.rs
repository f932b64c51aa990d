//! Revisions of entries.

use repo_core::{EntityId, Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::entry::Content;
use super::ids::derived_id;
use super::json::Json;
use super::owner::Owner;

/// What an entry was, is or may become. Its content never changes; a draft becomes published
/// once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its id, made by the client.
    pub id: EntityId,
    /// The entry.
    pub entry: EntityId,
    /// Counted for the entry from 0, which is the content that it was created with.
    pub number: u64,
    /// The revision that it was made from; `None` for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<EntityId>,
    /// What the entry is in it.
    pub snapshot: Snapshot,
    /// Whose entry.
    pub owner: Owner,
    /// Who made it.
    pub author: Owner,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it became the content of the entry; `None` for a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
    /// A digest of the request that made it.
    pub fingerprint: String,
}

impl Revision {
    /// The id of revision 0 of an entry, also while there are no revisions.
    ///
    /// # Errors
    /// None in practice.
    pub fn first_id(entry: &EntityId) -> Result<EntityId> {
        derived_id("revision 0", entry.as_str())
    }
}

/// What an entry is in a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// Its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its content; a blob is the same as that of the entry while it is current.
    pub content: Content,
    /// What a file is said to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The name of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    /// What the owner says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
}
