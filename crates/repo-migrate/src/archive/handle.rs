//! An archive on disk, opened and checked.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{Record, SystemCollection, SystemItem};
use repo_core::{CollectionName, Error, ErrorKind, Result, UpgradePath};

use super::errors::corrupt;
use super::manifest::{ArchivedCollection, Manifest};
use super::place::Place;
use super::reader::{self, Chunk, FileEntry};
use crate::past::PastVersion;
use crate::progress::Progress;
use crate::store_reference::{blocking, lanes};
use crate::upgrade::path::{self, Upgrading};
use crate::verify::digest::{Fingerprint, Sums, version_prints};
use crate::verify::report::Depth;

/// Records parsed at a time while an archive is checked.
const CHECK_BATCH: usize = 256;

/// An archive on disk.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Its folder, or its name in an object store.
    pub(super) path: PathBuf,
    pub(super) place: Place,
    pub(super) manifest: Manifest,
}

impl Archive {
    /// Opens the archive in a folder, or at `s3://bucket/…/NAME`, and checks its manifest.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Corrupt` when the manifest is damaged
    /// or was changed; `Unsupported` when a newer tool wrote it.
    pub async fn open(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        blocking(move || {
            let place = Place::of(&path)?;
            Ok(Self { manifest: Manifest::read(&place, &path)?, place, path })
        })
        .await
    }

    /// Where it is, whatever the working directory is later.
    pub(crate) fn absolute(&self) -> PathBuf {
        self.place.absolute(&self.path)
    }

    /// The folder, or the name in an object store: `s3://…`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the archive holds.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The records of a collection in batches of at most `batch_size`, in the
    /// order in which they were written. The file's digest is checked on the
    /// way: a damaged file ends in an error, at its end at the latest.
    ///
    /// # Errors
    /// `NotFound` when the archive holds no such collection. In the stream:
    /// `Corrupt`, with file and line.
    pub fn records(
        &self,
        collection: &CollectionName,
        batch_size: NonZeroUsize,
    ) -> Result<BoxStream<'static, Result<Vec<Record>>>> {
        self.records_after(collection, 0, batch_size)
    }

    /// The records except the first `after` of them.
    pub(crate) fn records_after(
        &self,
        collection: &CollectionName,
        after: u64,
        batch_size: NonZeroUsize,
    ) -> Result<BoxStream<'static, Result<Vec<Record>>>> {
        let entry = self.entry(collection)?.clone();
        let schema = std::sync::Arc::new(entry.collection_schema()?);
        let file = self.path.join(&entry.file);
        let of = FileEntry::of_records(&entry);
        let chunks = reader::chunks(self.place.file(&file), of, after, batch_size);
        Ok(chunks
            .map(move |chunk| {
                let (file, schema) = (file.clone(), std::sync::Arc::clone(&schema));
                async move {
                    let chunk = chunk?;
                    blocking(move || chunk.parse(&file, &schema)).await
                }
            })
            .buffered(lanes())
            .boxed())
    }

    /// The older versions of a collection except the first `after` of them, in the order
    /// in which they were written: that of the records, and for each from the newest to
    /// the oldest. None where the archive has no history of it.
    pub(crate) fn versions_after(
        &self,
        collection: &CollectionName,
        after: u64,
        batch_size: NonZeroUsize,
    ) -> Result<BoxStream<'static, Result<Vec<PastVersion>>>> {
        let Some(history) = &self.entry(collection)?.history else {
            return Ok(futures::stream::empty().boxed());
        };
        let file = self.path.join(&history.file);
        let (bytes, digest) = (history.file_bytes, history.file_digest.clone());
        let of = FileEntry { bytes, digest, lines: history.lines, of: "older versions" };
        let chunks = reader::chunks(self.place.file(&file), of, after, batch_size);
        Ok(parsed(chunks, file, |chunk, file| chunk.versions(file)))
    }

    /// The engine's own items that the archive holds, in the order of their keys within
    /// each collection of the engine.
    pub(crate) fn items(&self) -> BoxStream<'static, Result<Vec<(SystemCollection, SystemItem)>>> {
        let Some(items) = &self.manifest.items else { return futures::stream::empty().boxed() };
        let file = self.path.join(&items.file);
        let (bytes, digest) = (items.file_bytes, items.file_digest.clone());
        let of = FileEntry { bytes, digest, lines: items.items, of: "items" };
        let batch_size = NonZeroUsize::new(CHECK_BATCH).unwrap_or(NonZeroUsize::MIN);
        let chunks = reader::chunks(self.place.file(&file), of, 0, batch_size);
        parsed(chunks, file, |chunk, file| chunk.items(file))
    }

    /// Reads all of it and checks every digest and count.
    ///
    /// # Errors
    /// `Corrupt`, naming the file and what does not fit.
    pub async fn verify(&self, progress: &dyn Progress) -> Result<()> {
        self.read_back(&Upgrading::new(), progress).await.map(drop)
    }

    /// The same, and the sums of what was read, upgraded where it is to be.
    pub(crate) async fn read_back(
        &self,
        upgrading: &Upgrading,
        progress: &dyn Progress,
    ) -> Result<BTreeMap<CollectionName, Sums>> {
        let mut sums = BTreeMap::new();
        for entry in &self.manifest.collections {
            let upgrade = upgrading.get(&entry.name);
            let read = self.verify_collection(entry, upgrade, progress).await?;
            self.verify_versions(entry).await?;
            sums.insert(entry.name.clone(), read);
        }
        let mut items = self.items();
        while items.try_next().await?.is_some() {}
        Box::pin(self.verify_blobs(progress)).await?;
        Ok(sums)
    }

    async fn verify_versions(&self, entry: &ArchivedCollection) -> Result<()> {
        let Some(history) = &entry.history else { return Ok(()) };
        let mut sums = Sums::new();
        let batch_size = NonZeroUsize::new(CHECK_BATCH).unwrap_or(NonZeroUsize::MIN);
        let mut batches = self.versions_after(&entry.name, 0, batch_size)?;
        while let Some(versions) = batches.try_next().await? {
            let name = entry.name.clone();
            let prints = move || Ok(version_prints(Depth::Complete, &name, &versions));
            blocking(prints).await?.iter().for_each(|print| sums.add(print));
        }
        let file = self.path.join(&history.file);
        let found = sums.total().to_string();
        fits(&file, "digest of the older versions", found, history.digest.clone())?;
        let (found, expected) = (sums.records.to_string(), history.versions.to_string());
        fits(&file, "number of older versions", found, expected)
    }

    async fn verify_collection(
        &self,
        entry: &ArchivedCollection,
        upgrade: Option<&Arc<UpgradePath>>,
        progress: &dyn Progress,
    ) -> Result<Sums> {
        let mut sums = Sums::new();
        let mut upgraded = upgrade.map(|_| Sums::new());
        let batch_size = NonZeroUsize::new(CHECK_BATCH).unwrap_or(NonZeroUsize::MIN);
        let mut batches = self
            .records(&entry.name, batch_size)?
            .map_ok(|records| {
                let upgrade = upgrade.cloned();
                blocking(move || Ok(prints(records, upgrade.as_deref())))
            })
            .try_buffered(lanes());
        while let Some((prints, of_upgraded)) = batches.try_next().await? {
            prints.iter().for_each(|print| sums.add(print));
            if let Some(upgraded) = &mut upgraded {
                of_upgraded.iter().for_each(|print| upgraded.add(print));
            }
            progress.advance(&entry.name, prints.len() as u64);
        }
        let file = self.path.join(&entry.file);
        let fits = |what, found, expected| fits(&file, what, found, expected);
        fits("number of records", sums.records.to_string(), entry.records.to_string())?;
        fits("number of tombstones", sums.tombstones.to_string(), entry.tombstones.to_string())?;
        fits("digest of the records", sums.total().to_string(), entry.digest.clone())?;
        Ok(upgraded.unwrap_or(sums))
    }

    /// What the manifest says of a collection.
    pub(crate) fn entry(&self, collection: &CollectionName) -> Result<&ArchivedCollection> {
        self.manifest.collections.iter().find(|entry| entry.name == *collection).ok_or_else(|| {
            let held: Vec<&str> =
                self.manifest.collections.iter().map(|entry| entry.name.as_str()).collect();
            Error::new(
                ErrorKind::NotFound,
                "read an archive",
                "the archive holds no such collection",
            )
            .with("collection", collection)
            .with("archive", self.path.display())
            .hint(format!("it holds: {}", held.join(", ")))
        })
    }
}

/// The lines of chunks, read several chunks at a time and in their order.
pub(super) fn parsed<T: Send + 'static>(
    chunks: BoxStream<'static, Result<Chunk>>,
    file: PathBuf,
    parse: fn(&Chunk, &Path) -> Result<Vec<T>>,
) -> BoxStream<'static, Result<Vec<T>>> {
    chunks
        .map(move |chunk| {
            let file = file.clone();
            async move {
                let chunk = chunk?;
                blocking(move || parse(&chunk, &file)).await
            }
        })
        .buffered(lanes())
        .boxed()
}

fn fits(file: &Path, what: &str, found: String, expected: String) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(corrupt(file, format!("the {what} does not fit the manifest"))
        .with("expected", expected)
        .with("found", found))
}

/// The fingerprints of records as they are and, where they are to be, upgraded.
fn prints(
    records: Vec<Record>,
    upgrade: Option<&UpgradePath>,
) -> (Vec<Fingerprint>, Vec<Fingerprint>) {
    let as_read = records.iter().map(Fingerprint::of).collect();
    let Some(path) = upgrade else { return (as_read, Vec::new()) };
    let upgraded = records.into_iter().map(|record| path::record(path, record));
    (as_read, upgraded.map(|record| Fingerprint::of(&record)).collect())
}
