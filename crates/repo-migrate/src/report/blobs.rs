//! What became of blobs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parts::Listed;
#[cfg(feature = "blobs")]
use super::parts::MAX_NAMED;

/// Blobs, and the sum of their sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlobCount {
    /// How many.
    pub blobs: u64,
    /// Bytes of all.
    pub bytes: u64,
}

impl BlobCount {
    /// One more, of so many bytes.
    #[cfg(feature = "blobs")]
    pub(crate) fn add(&mut self, bytes: u64) {
        self.blobs += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// How blobs are compared with their records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlobDepth {
    /// Every byte is read, and its SHA-256 compared.
    #[default]
    Full,
    /// Each is there and has its size. A byte that changed is not found.
    Size,
}

/// What a migration, a backup or a restore did with blobs, or, for a dry run, would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BlobsReport {
    /// Those whose bytes the records need: `active` and `condemned` ones.
    pub needed: BlobCount,
    /// Those that were copied; for a dry run those that would be.
    pub copied: BlobCount,
    /// Those that were there already, with their size.
    pub there: BlobCount,
    /// Records of uploads that have not ended. They have no bytes to copy: who uploads has
    /// to begin again in the target.
    pub pending: u64,
    /// Records whose bytes are being removed. They are not copied.
    pub deleting: u64,
    /// Blobs in the source that no record of it names, as `store/key`. They are not copied.
    pub unrecorded: Listed,
    /// What could not be copied.
    pub problems: BlobProblems,
    /// What comparing the target's blobs with the records found afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<BlobsVerification>,
}

impl BlobsReport {
    /// Whether every needed blob arrived, as far as that was looked at.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let verified = self.verification.as_ref();
        self.problems.is_nothing() && verified.is_none_or(BlobsVerification::is_equal)
    }
}

/// What comparing blobs with the records of one store found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BlobsVerification {
    /// The side: `source`, `target`, or none where there is one store.
    pub side: String,
    /// How they were compared.
    pub depth: BlobDepth,
    /// Those whose bytes the records need.
    pub needed: BlobCount,
    /// Of these, those that are as their record says.
    pub sound: BlobCount,
    /// Records of uploads that have not ended.
    pub pending: u64,
    /// Blobs that no record names, as `store/key`. Not part of equality.
    pub unrecorded: Listed,
    /// What is not as it should be.
    pub problems: BlobProblems,
}

impl BlobsVerification {
    /// Whether every needed blob is as its record says.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.problems.is_nothing()
    }
}

/// Blobs that are not as their records say. Counts are exact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BlobProblems {
    /// Needed, and not there.
    pub missing: u64,
    /// There, with another size or other bytes.
    pub differs: u64,
    /// Records that are none of blobs.
    pub unreadable: u64,
    /// The first 1,000 of them.
    pub first: Vec<BlobProblem>,
}

impl BlobProblems {
    /// Whether there is none.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.missing == 0 && self.differs == 0 && self.unreadable == 0
    }

    /// All of them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.missing + self.differs + self.unreadable
    }

    /// Adds others.
    #[cfg(feature = "blobs")]
    pub(crate) fn merge(&mut self, other: Self) {
        self.missing += other.missing;
        self.differs += other.differs;
        self.unreadable += other.unreadable;
        let room = MAX_NAMED.saturating_sub(self.first.len());
        self.first.extend(other.first.into_iter().take(room));
    }

    /// Adds one.
    #[cfg(feature = "blobs")]
    pub(crate) fn add(&mut self, problem: BlobProblem) {
        match problem.kind {
            BlobProblemKind::Missing => self.missing += 1,
            BlobProblemKind::Size | BlobProblemKind::Digest => self.differs += 1,
            BlobProblemKind::Record => self.unreadable += 1,
        }
        if self.first.len() < MAX_NAMED {
            self.first.push(problem);
        }
    }
}

/// A blob that is not as its record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BlobProblem {
    /// Its key.
    pub key: String,
    /// Where it is, or should be. Holds no secret.
    pub place: String,
    /// What is wrong.
    pub kind: BlobProblemKind,
    /// What the record says, or why it is no record of a blob.
    pub expected: String,
    /// What is there instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// What is wrong with a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlobProblemKind {
    /// It is not there.
    Missing,
    /// It has another size than its record says.
    Size,
    /// It has other bytes: their SHA-256 is not that of its record.
    Digest,
    /// Its record is none of a blob.
    Record,
}
