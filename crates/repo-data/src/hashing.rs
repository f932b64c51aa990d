//! Digests of bytes that pass by.

use futures_util::TryStreamExt as _;
use repo_blob::{BlobDigest, ByteStream, Md5, Sha256};
use repo_core::Result;
use sha2::Digest as _;

/// Size and digests.
#[derive(Default)]
pub(crate) struct Hasher {
    size: u64,
    sha256: sha2::Sha256,
    md5: md5::Md5,
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.sha256.update(bytes);
        self.md5.update(bytes);
    }

    pub(crate) fn finish(self) -> BlobDigest {
        BlobDigest {
            size: self.size,
            sha256: Sha256::from_bytes(self.sha256.finalize().into()),
            md5: Md5::from_bytes(self.md5.finalize().into()),
        }
    }
}

/// The digests of a stream, which is read to its end.
pub(crate) async fn digest_of(mut bytes: ByteStream<'_>) -> Result<BlobDigest> {
    let mut hasher = Hasher::default();
    while let Some(chunk) = bytes.try_next().await? {
        hasher.update(&chunk);
    }
    Ok(hasher.finish())
}

/// The SHA-256 of a text, as hexadecimal text.
pub(crate) fn text_digest(text: &str) -> String {
    Sha256::from_bytes(sha2::Sha256::digest(text).into()).to_string()
}
