//! Uploads under way.

use repo_blob::{BlobDigest, BlobKey, Expected, Md5, PartReceipt, PartSession, Sha256};
use repo_core::{EntityId, Timestamp};
use serde::{Deserialize, Serialize};

use super::owner::Owner;

/// The id of an upload: the key of the blob that it will be. Random, and safe in paths and
/// URLs.
pub type UploadId = BlobKey;

/// An upload of the bytes of an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UploadRecord {
    /// Also the key of its blob.
    pub id: UploadId,
    /// How the bytes come.
    pub kind: UploadKind,
    /// The entry that they are for.
    pub entry: EntityId,
    /// Whose entry.
    pub owner: Owner,
    /// Whether they are all there.
    pub state: UploadState,
    /// How many bytes come in all, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// How many of the first bytes are there, durably; 0 for parts.
    pub offset: u64,
    /// What the whole has to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// What the whole has to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<Md5>,
    /// The session with the store of blobs, for parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<PartSession>,
    /// The announced digests of the parts, 32 hexadecimal digits each, in their order.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part_hashes: String,
    /// What arrived, when the upload is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<BlobDigest>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it is given up, unless more comes before.
    pub due: Timestamp,
}

/// How the bytes of an upload come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadKind {
    /// In ranges, as resumable uploads of Google Cloud Storage.
    Gcs,
    /// In numbered parts.
    Parts,
    /// In pieces at the present offset, as tus 1.0.
    Tus,
}

/// Whether the bytes of an upload are all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// More are to come.
    Receiving,
    /// All are there, hashed, and the entry knows them.
    Complete,
}

impl UploadRecord {
    /// What the whole has to be.
    #[must_use]
    pub fn expected(&self) -> Expected {
        Expected { size: self.total, sha256: self.sha256, md5: self.md5 }
    }

    /// The announced digest of a part, counted from 1.
    #[must_use]
    pub fn part_hash(&self, number: u16) -> Option<Md5> {
        let begin = usize::from(number.checked_sub(1)?) * 32;
        self.part_hashes.get(begin..begin + 32)?.parse().ok()
    }

    /// How many parts were announced; 0 where none were.
    #[must_use]
    pub fn announced_parts(&self) -> usize {
        self.part_hashes.len() / 32
    }
}

/// The receipt of one part, in a record of its own: parts arrive at the same time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartRecord {
    /// The id of the upload, a dot, and the number in five digits.
    pub id: String,
    /// The upload.
    pub upload: UploadId,
    /// What the store of blobs answered.
    pub receipt: PartReceipt,
}

impl PartRecord {
    /// The id of a part.
    #[must_use]
    pub fn id_of(upload: &UploadId, number: u16) -> String {
        format!("{upload}.{number:05}")
    }
}
