//! Entries.

use repo_core::{EntityId, Timestamp};
use serde::{Deserialize, Serialize};

use super::blob::BlobRef;
use super::hold::Hold;
use super::json::{Fields, Json};
use super::outside::{OutsideFile, OutsideLocation};
use super::owner::Owner;
use super::upload::UploadId;

/// A text, a file, a directory, a collection, or something outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub id: EntityId,
    /// 1 to 1,000 bytes.
    pub name: String,
    /// At most 16 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it is.
    pub kind: EntryKind,
    /// Whether it can be used.
    pub status: EntryStatus,
    /// What is in it, or where that is.
    pub content: Content,
    /// What a file is said to be, as a MIME type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Bytes of the content; 0 for what has none here.
    pub size: u64,
    /// The directory that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<EntityId>,
    /// The directories above it, from the root on, 64 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<EntityId>,
    /// The dataset that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<EntityId>,
    /// The project that it is in, a name that means nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<EntityId>,
    /// Whose it is.
    pub owner: Owner,
    /// What the client called the file; never a path here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    /// At most 100, of 1 to 256 bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What the owner says of it, at most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
    /// Who else may read it.
    #[serde(default)]
    pub share: Share,
    /// The upload that was begun last, while the bytes are awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
    /// The revision that its content is of; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<EntityId>,
    /// The number of that revision; 0 for the content it was created with.
    #[serde(default)]
    pub revision_number: u64,
    /// The highest number of a revision, drafts included.
    #[serde(default)]
    pub last_revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub modified_at: Timestamp,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// The dataset that it was deleted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_with: Option<EntityId>,
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

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A text.
    Text,
    /// A file.
    File,
    /// A directory, with other entries in it.
    Directory,
    /// Several files as one: an archive.
    Collection,
    /// Something outside the service.
    Outside,
}

/// Whether an entry can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryStatus {
    /// Its bytes are awaited.
    Pending,
    /// It can.
    Active,
    /// It is deleted, and can be restored.
    Deleted,
}

/// What is in an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Nothing: a directory.
    Nothing,
    /// A file that is awaited; the bytes that are complete, if they are.
    Awaited {
        /// They become the content when the entry is activated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        staged: Option<BlobRef>,
    },
    /// This text.
    Inline(String),
    /// A text that is too large for a record.
    Spilled(BlobRef),
    /// A file.
    Stored(BlobRef),
    /// Something outside.
    Outside {
        /// Where it is.
        location: OutsideLocation,
        /// The files there when it was registered.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<OutsideFile>,
    },
}

impl Content {
    /// The blob that it is in, or that is staged for it.
    #[must_use]
    pub fn blob(&self) -> Option<&BlobRef> {
        match self {
            Self::Awaited { staged } => staged.as_ref(),
            Self::Spilled(blob) | Self::Stored(blob) => Some(blob),
            Self::Nothing | Self::Inline(_) | Self::Outside { .. } => None,
        }
    }

    /// Bytes that are kept here.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Inline(text) => text.len() as u64,
            other => other.blob().map_or(0, |blob| blob.size),
        }
    }
}

/// Who else may read something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Nobody, everybody, or who is named.
    pub status: ShareStatus,
    /// Users that are named, 100 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Organisations that are named, 100 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<String>,
}

/// How far something is shared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareStatus {
    /// With nobody.
    #[default]
    Private,
    /// With everybody.
    Public,
    /// With who is named.
    Shared,
}

impl Entry {
    /// Whether a user may read it: its owner, or who it is shared with.
    #[must_use]
    pub fn may_be_read_by(&self, user: &Owner) -> bool {
        self.owner == *user
            || match self.share.status {
                ShareStatus::Private => false,
                ShareStatus::Public => true,
                ShareStatus::Shared => self.share.users.iter().any(|name| name == user.as_str()),
            }
    }
}
