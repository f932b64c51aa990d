//! What is known of a blob.

use std::time::Duration;

use repo_blob::{BlobDigest, BlobKey, Md5, PartSession, Sha256};
use repo_core::{EntityId, Timestamp};
use serde::{Deserialize, Serialize};

use super::owner::Owner;
use super::store_name::StoreName;

/// The record of a blob. It is there before the first byte, and until after the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlobRecord {
    /// Under which the bytes are kept.
    pub id: BlobKey,
    /// In which store.
    pub store: StoreName,
    /// What may be done with it.
    pub state: BlobState,
    /// Bytes; from `active` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// From `active` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// From `active` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<Md5>,
    /// Whose it is.
    pub owner: Owner,
    /// What refers to it, or is going to.
    pub holder: Holder,
    /// What the bytes are said to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// While pending: after this the sweeper condemns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// While condemned: until then it can be restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_after: Option<Timestamp>,
    /// When the sweeper has to look at it; never while active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// While deleting: whether the bytes were deleted a first time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emptied: bool,
    /// Of an upload in parts: to be given up when the blob goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<PartSession>,
}

/// What may be done with a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobState {
    /// Its bytes are on their way, or are there; nothing active refers to it.
    Pending,
    /// Its bytes are there, and have its digests.
    Active,
    /// Nothing active refers to it. It can be restored.
    Condemned,
    /// Its bytes are being deleted, for good.
    Deleting,
}

/// What refers to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// In which collection.
    pub kind: HolderKind,
    /// Its id.
    pub id: EntityId,
}

/// What kind of record refers to a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    /// An entry, by its content or by one of its revisions.
    Entry,
    /// A datapoint.
    Datapoint,
}

/// A blob as other records name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// Its key.
    pub key: BlobKey,
    /// Bytes.
    pub size: u64,
    /// Of its bytes.
    pub sha256: Sha256,
    /// Of its bytes.
    pub md5: Md5,
}

impl BlobRef {
    /// A blob with a digest.
    #[must_use]
    pub fn new(key: BlobKey, digest: BlobDigest) -> Self {
        Self { key, size: digest.size, sha256: digest.sha256, md5: digest.md5 }
    }

    /// Size and digests.
    #[must_use]
    pub fn digest(&self) -> BlobDigest {
        BlobDigest { size: self.size, sha256: self.sha256, md5: self.md5 }
    }
}

impl BlobRecord {
    /// Size and digests, from `active` on.
    #[must_use]
    pub fn digest(&self) -> Option<BlobDigest> {
        Some(BlobDigest { size: self.size?, sha256: self.sha256?, md5: self.md5? })
    }

    /// A blob without bytes.
    pub(crate) fn pending(
        id: BlobKey,
        store: StoreName,
        owner: Owner,
        holder: Holder,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            id,
            store,
            state: BlobState::Pending,
            size: None,
            sha256: None,
            md5: None,
            owner,
            holder,
            content_type: None,
            created_at: now,
            expires_at: Some(expires_at),
            delete_after: None,
            due: Some(expires_at),
            emptied: false,
            session: None,
        }
    }

    pub(crate) fn activate(&mut self, digest: BlobDigest) {
        self.state = BlobState::Active;
        self.size = Some(digest.size);
        self.sha256 = Some(digest.sha256);
        self.md5 = Some(digest.md5);
        (self.expires_at, self.delete_after, self.due) = (None, None, None);
        self.session = None;
    }

    pub(crate) fn condemn(&mut self, delete_after: Timestamp) {
        self.state = BlobState::Condemned;
        (self.delete_after, self.due) = (Some(delete_after), Some(delete_after));
    }

    pub(crate) fn restore(&mut self) {
        self.state = BlobState::Active;
        (self.delete_after, self.due) = (None, None);
    }

    /// From here on there is no way back.
    pub(crate) fn begin_deleting(&mut self, now: Timestamp) {
        self.state = BlobState::Deleting;
        self.due = Some(now);
        self.emptied = false;
    }

    /// The bytes were deleted. Whoever was about to write when the blob was condemned may
    /// still do so until its time is over and the longest request has ended.
    pub(crate) fn set_emptied(&mut self, now: Timestamp, longest_request: Duration) {
        self.emptied = true;
        let expires = self.expires_at.map_or(now, |expires| expires.max(now));
        self.due = Some(expires.saturating_add(longest_request));
    }
}
