//! What arrives of an upload, and what is answered.

use std::fmt;

use repo_blob::{BlobDigest, ByteStream, Md5, Sha256};
use repo_core::{EntityId, Timestamp};
use sha2::Digest as _;

use crate::model::{Owner, UploadId, UploadKind, UploadRecord, UploadState};
use crate::records::Versioned;

/// Bytes of an upload.
pub struct Piece<'a> {
    /// Where they begin in the whole.
    pub start: u64,
    /// How many bytes the whole has, where the request says so.
    pub total: Option<u64>,
    /// What they have to be. With it they are kept whole or not at all.
    pub checksum: Option<Checksum>,
    /// The bytes.
    pub bytes: ByteStream<'a>,
}

impl fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece")
            .field("start", &self.start)
            .field("total", &self.total)
            .field("checksum", &self.checksum)
            .finish_non_exhaustive()
    }
}

/// What bytes have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// `Content-MD5`, and `md5` of tus.
    Md5(Md5),
    /// `sha1` of tus.
    Sha1([u8; 20]),
    /// `sha256` of tus.
    Sha256(Sha256),
}

/// A checksum being computed.
pub(super) enum Checking {
    Md5(md5::Md5, Md5),
    Sha1(sha1::Sha1, [u8; 20]),
    Sha256(sha2::Sha256, Sha256),
}

impl Checking {
    pub(super) fn new(checksum: Checksum) -> Self {
        match checksum {
            Checksum::Md5(expected) => Self::Md5(md5::Md5::default(), expected),
            Checksum::Sha1(expected) => Self::Sha1(sha1::Sha1::default(), expected),
            Checksum::Sha256(expected) => Self::Sha256(sha2::Sha256::default(), expected),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hash, _) => hash.update(bytes),
            Self::Sha1(hash, _) => hash.update(bytes),
            Self::Sha256(hash, _) => hash.update(bytes),
        }
    }

    pub(super) fn holds(self) -> bool {
        match self {
            Self::Md5(hash, expected) => Md5::from_bytes(hash.finalize().into()) == expected,
            Self::Sha1(hash, expected) => <[u8; 20]>::from(hash.finalize()) == expected,
            Self::Sha256(hash, expected) => Sha256::from_bytes(hash.finalize().into()) == expected,
        }
    }
}

/// How far an upload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadProgress {
    /// The upload.
    pub id: UploadId,
    /// How its bytes come.
    pub kind: UploadKind,
    /// The entry that they are for.
    pub entry: EntityId,
    /// Whose entry.
    pub owner: Owner,
    /// Whether the piece could be taken: `false` for one that begins behind the present
    /// offset, or, in tus, elsewhere than there.
    pub accepted: bool,
    /// How many of the first bytes are there, durably.
    pub offset: u64,
    /// How many bytes come in all, when that is known.
    pub total: Option<u64>,
    /// Size and digests, once all is there.
    pub complete: Option<BlobDigest>,
    /// When it is given up, unless more comes before.
    pub expires_at: Timestamp,
}

impl UploadProgress {
    pub(super) fn of(found: &Versioned<UploadRecord>) -> Self {
        let upload = &found.value;
        let complete = upload.digest.filter(|_| upload.state == UploadState::Complete);
        Self {
            id: upload.id,
            kind: upload.kind,
            entry: upload.entry.clone(),
            owner: upload.owner.clone(),
            accepted: true,
            offset: complete.map_or(upload.offset, |digest| digest.size),
            total: complete.map_or(upload.total, |digest| Some(digest.size)),
            complete,
            expires_at: upload.due,
        }
    }
}
