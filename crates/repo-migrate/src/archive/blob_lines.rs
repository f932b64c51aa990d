//! The blobs of an archive as lines, and what its manifest says of them.

#[cfg(feature = "blobs")]
use std::path::Path;

#[cfg(feature = "blobs")]
use repo_core::Result;
#[cfg(feature = "blobs")]
use repo_core::{Error, ErrorKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(feature = "blobs")]
use super::errors::corrupt;
#[cfg(feature = "blobs")]
use crate::blobs::record::NeededBlob;

/// The list of the blobs. No name of a collection has a dot.
pub(crate) const BLOBS_FILE: &str = "system.blobs.jsonl.zst";
/// The folder of the bytes.
#[cfg(feature = "blobs")]
pub(crate) const BLOBS_FOLDER: &str = "blobs";
/// The blobs of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchivedBlobs {
    /// Whether their bytes are in the archive, below `blobs/`; else their digests alone.
    pub contents: bool,
    /// The file in the archive's folder that lists them, in the order of their keys.
    pub file: String,
    /// The size of that file in bytes.
    pub file_bytes: u64,
    /// BLAKE3 of that file, in hexadecimal.
    pub file_digest: String,
    /// Blobs: as many lines are in the file.
    pub blobs: u64,
    /// Bytes of all.
    pub bytes: u64,
}

/// One blob as a line.
#[cfg(feature = "blobs")]
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BlobLine {
    key: String,
    store: String,
    size: u64,
    sha256: String,
}

/// Appends the line of a blob.
#[cfg(feature = "blobs")]
pub(crate) fn write_blob(blob: &NeededBlob, text: &mut Vec<u8>) -> Result<()> {
    let NeededBlob { key, store, size, sha256 } = blob.clone();
    serde_json::to_writer(&mut *text, &BlobLine { key, store, size, sha256 }).map_err(
        |source| {
            Error::new(ErrorKind::Invalid, "write an archive", "a blob cannot be written as a line")
                .caused_by(source)
        },
    )?;
    text.push(b'\n');
    Ok(())
}

/// The blob of a line.
#[cfg(feature = "blobs")]
pub(super) fn read_blob(line: &[u8], number: u64, file: &Path) -> Result<NeededBlob> {
    let BlobLine { key, store, size, sha256 } = serde_json::from_slice(line).map_err(|source| {
        corrupt(file, "a line is no blob").with("line", number).caused_by(source)
    })?;
    if !NeededBlob::is_key(&key) || !NeededBlob::is_sha256(&sha256) {
        return Err(corrupt(file, "a line is no blob").with("line", number));
    }
    Ok(NeededBlob { key, store, size, sha256 })
}
