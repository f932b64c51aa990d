//! What an archive holds of blobs: a list with their digests and, where that was asked for,
//! their bytes below `blobs/`.

#[cfg(feature = "blobs")]
use std::sync::Arc;

#[cfg(feature = "blobs")]
use futures::StreamExt as _;
#[cfg(feature = "blobs")]
use futures::stream::BoxStream;
#[cfg(feature = "blobs")]
use futures::{TryStreamExt as _, stream};
#[cfg(feature = "blobs")]
use repo_blob::{BlobOptions, BlobStore, Expected, FolderBlobs};
#[cfg(not(feature = "blobs"))]
use repo_core::Error;
use repo_core::{ErrorKind, Result};

#[cfg(feature = "blobs")]
use super::blob_lines::BLOBS_FOLDER;
#[cfg(feature = "blobs")]
use super::errors::corrupt;
use super::handle::Archive;
#[cfg(feature = "blobs")]
use super::handle::parsed;
#[cfg(feature = "blobs")]
use super::reader::{self, FileEntry};
#[cfg(feature = "blobs")]
use crate::blobs::record::NeededBlob;
use crate::progress::Progress;

/// Lines read at a time.
#[cfg(feature = "blobs")]
const BATCH: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(499);

impl Archive {
    /// The blobs that it lists, in the order of their keys.
    #[cfg(feature = "blobs")]
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
            let mut checks = stream::iter(checks).buffer_unordered(crate::store_reference::lanes());
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
    pub(crate) async fn verify_blobs(&self, _progress: &dyn Progress) -> Result<()> {
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
    pub(crate) async fn blob_store(&self) -> Result<Arc<dyn BlobStore>> {
        let place = self.path.join(BLOBS_FOLDER);
        let options = BlobOptions::default();
        let opened = match place.to_str() {
            Some(place) => repo_blob::open_existing(place, &options).await,
            None => {
                let folder = FolderBlobs::open_existing(&place).await;
                folder.map(|folder| Arc::new(folder) as Arc<dyn BlobStore>)
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
async fn check_bytes(store: &Arc<dyn BlobStore>, blob: NeededBlob) -> Result<()> {
    let expected =
        Expected { size: Some(blob.size), sha256: Some(blob.sha256.parse()?), md5: None };
    let checked = store.check(&blob.key.parse()?, &expected).await;
    checked.map(drop).map_err(|error| match error.kind() {
        ErrorKind::NotFound => error
            .into_kind(ErrorKind::Corrupt)
            .with("store", store.location())
            .hint("the archive is damaged; use another one"),
        ErrorKind::Corrupt => {
            error.with("store", store.location()).hint("the archive is damaged; use another one")
        }
        _ => error,
    })
}
