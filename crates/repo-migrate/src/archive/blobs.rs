//! What an archive holds of blobs: a list with their digests and, where that was asked for,
//! their bytes below `blobs/`.

use std::path::Path;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use repo_core::{Error, ErrorKind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::errors::corrupt;
use super::handle::{Archive, parsed};
use super::reader::{self, FileEntry};
use crate::blobs::record::NeededBlob;
#[cfg(feature = "blobs")]
use crate::progress::Progress;

/// The list of the blobs. No name of a collection has a dot.
pub(crate) const BLOBS_FILE: &str = "system.blobs.jsonl.zst";
/// The folder of the bytes.
#[cfg(feature = "blobs")]
pub(crate) const BLOBS_FOLDER: &str = "blobs";
/// Lines read at a time.
const BATCH: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(499);

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
    serde_json::to_writer(&mut *text, &BlobLine { key, store, size, sha256 }).map_err(|source| {
        Error::new(ErrorKind::Invalid, "write an archive", "a blob cannot be written as a line")
            .caused_by(source)
    })?;
    text.push(b'\n');
    Ok(())
}

/// The blob of a line.
pub(super) fn read_blob(line: &[u8], number: u64, file: &Path) -> Result<NeededBlob> {
    let BlobLine { key, store, size, sha256 } = serde_json::from_slice(line).map_err(|source| {
        corrupt(file, "a line is no blob").with("line", number).caused_by(source)
    })?;
    if !NeededBlob::is_key(&key) || !NeededBlob::is_sha256(&sha256) {
        return Err(corrupt(file, "a line is no blob").with("line", number));
    }
    Ok(NeededBlob { key, store, size, sha256 })
}

impl Archive {
    /// The blobs that it lists, in the order of their keys.
    pub(crate) fn blobs(&self) -> BoxStream<'static, Result<Vec<NeededBlob>>> {
        let Some(blobs) = &self.manifest.blobs else { return futures::stream::empty().boxed() };
        let file = self.path.join(&blobs.file);
        let (bytes, digest) = (blobs.file_bytes, blobs.file_digest.clone());
        let of = FileEntry { bytes, digest, lines: blobs.blobs, of: "blobs" };
        let chunks = reader::chunks(self.place.file(&file), of, 0, BATCH);
        parsed(chunks, file, |chunk, file| chunk.blobs(file))
    }

    /// Reads the list of blobs and, where they are there, their bytes.
    #[cfg(feature = "blobs")]
    pub(crate) async fn verify_blobs(&self, progress: &dyn Progress) -> Result<()> {
        use futures::TryStreamExt as _;
        let Some(blobs) = &self.manifest.blobs else { return Ok(()) };
        let store = if blobs.contents { Some(self.blob_store().await?) } else { None };
        let collection = crate::blobs::record::collection()?;
        let mut pages = self.blobs();
        let mut total = 0_u64;
        while let Some(page) = pages.try_next().await? {
            total = page.iter().fold(total, |total, blob| total.saturating_add(blob.size));
            let Some(store) = &store else { continue };
            let count = page.len() as u64;
            let checks = page.into_iter().map(|blob| check_bytes(store, blob));
            let mut checks = futures::stream::iter(checks).buffer_unordered(crate::store_reference::lanes());
            while checks.try_next().await?.is_some() {}
            drop(checks);
            progress.advance(&collection, count);
        }
        if total != blobs.bytes {
            let file = self.path.join(&blobs.file);
            return Err(corrupt(&file, "the sizes of the blobs do not fit the manifest")
                .with("expected", blobs.bytes)
                .with("found", total));
        }
        Ok(())
    }

    /// The bytes cannot be read by this build.
    #[cfg(not(feature = "blobs"))]
    pub(crate) async fn verify_blobs(
        &self,
        _progress: &dyn crate::progress::Progress,
    ) -> Result<()> {
        if self.manifest.blobs.is_none() {
            return Ok(());
        }
        let message = "the archive holds blobs, which this build does not know";
        Err(Error::new(ErrorKind::Unsupported, "read an archive", message)
            .with("archive", self.path.display())
            .hint("use a build with the feature blobs"))
    }

    /// The store of the bytes.
    #[cfg(feature = "blobs")]
    pub(crate) async fn blob_store(&self) -> Result<std::sync::Arc<dyn repo_blob::BlobStore>> {
        let place = self.path.join(BLOBS_FOLDER);
        let options = repo_blob::BlobOptions::default();
        let opened = match place.to_str() {
            Some(place) => repo_blob::open_existing(place, &options).await,
            None => {
                let folder = repo_blob::FolderBlobs::open_existing(&place).await;
                folder.map(|folder| std::sync::Arc::new(folder) as std::sync::Arc<dyn repo_blob::BlobStore>)
            }
        };
        opened.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::Foreign => {
                corrupt(&place, "the blobs that belong to the archive are missing")
            }
            _ => error,
        })
    }
}

/// Reads the bytes of a blob of an archive.
#[cfg(feature = "blobs")]
async fn check_bytes(
    store: &std::sync::Arc<dyn repo_blob::BlobStore>,
    blob: NeededBlob,
) -> Result<()> {
    let expected = repo_blob::Expected {
        size: Some(blob.size),
        sha256: Some(blob.sha256.parse()?),
        md5: None,
    };
    let checked = store.check(&blob.key.parse()?, &expected).await;
    checked.map(drop).map_err(|error| match error.kind() {
        ErrorKind::NotFound => error
            .into_kind(ErrorKind::Corrupt)
            .with("store", store.location())
            .hint("the archive is damaged; use another one"),
        ErrorKind::Corrupt => error
            .with("store", store.location())
            .hint("the archive is damaged; use another one"),
        _ => error,
    })
}
