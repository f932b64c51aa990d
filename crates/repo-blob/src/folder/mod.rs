//! Blobs in a folder of this machine.

mod draft;
mod faults;
mod read;
mod root;
mod sessions;

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use repo_core::{ErrorKind, Result};

use self::draft::{Draft, taken};
use self::root::{Root, blocking, sync_folder};
use crate::digest::{BlobDigest, Expected, Md5};
use crate::key::BlobKey;
use crate::limited::limited;
use crate::part_check::checked;
use crate::parts::{PartNumber, PartReceipt, PartSession, in_order};
use crate::range::ByteRange;
use crate::store::{Blob, BlobEntry, BlobMeta, BlobStore, ByteStream, PageLimit};
use crate::stream::{Intake, measured};

/// Blobs as files of a folder, readable by their owner alone.
///
/// A blob is written beside its place, synced, and linked into it; a link never replaces.
/// What is acknowledged survives a loss of power. Links, devices and folders in the place of
/// a blob are refused as `Foreign`.
#[derive(Debug, Clone)]
pub struct FolderBlobs {
    root: Root,
}

impl FolderBlobs {
    /// The store in a folder, which is made if it is missing.
    ///
    /// # Errors
    /// `PermissionDenied` and the others of the file system; `Foreign` where a link stands in
    /// the place of a folder of the store.
    pub async fn open(folder: &Path) -> Result<Self> {
        let folder = folder.to_owned();
        let root = blocking("open", move || Root::make(&folder)).await?;
        Ok(Self { root })
    }

    /// The store in a folder that is one already. Nothing is made or changed by opening it.
    ///
    /// # Errors
    /// `NotFound` where there is no such folder; `Foreign` where it is no store of blobs;
    /// `PermissionDenied`.
    pub async fn open_existing(folder: &Path) -> Result<Self> {
        let folder = folder.to_owned();
        let root = blocking("open", move || Root::existing(&folder)).await?;
        Ok(Self { root })
    }

    /// Runs what waits for the disk.
    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Root) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let root = self.root.clone();
        blocking(operation, move || work(&root)).await
    }

    /// `AlreadyExists` if there is a blob.
    async fn check_free(&self, operation: &'static str, key: BlobKey) -> Result<()> {
        let found = self.run(operation, move |root| read::head(operation, root, &key)).await;
        match found {
            Ok(_) => Err(taken(operation, &key)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, key: BlobKey, intake: Intake<'_>) -> Result<BlobDigest> {
        let (draft, digest) = Draft::filled("put", self.root.incoming(), intake).await?;
        self.run("put", move |root| draft.publish(root, &key)).await?;
        Ok(digest)
    }
}

#[async_trait]
impl BlobStore for FolderBlobs {
    fn location(&self) -> String {
        format!("file:{}", self.root.path().display())
    }

    async fn put(
        &self,
        key: &BlobKey,
        bytes: ByteStream<'_>,
        expected: &Expected,
    ) -> Result<BlobDigest> {
        self.check_free("put", *key).await?;
        self.write(*key, Intake::new(bytes, *expected, "put")).await
    }

    async fn get(&self, key: &BlobKey, range: ByteRange) -> Result<Blob> {
        let key = *key;
        let (file, meta) = self.run("get", move |root| read::open_blob(root, &key)).await?;
        let range = range.resolve(meta.size)?;
        let bytes = read::bytes_of(file, range.clone());
        let bytes = measured(bytes, key, range.end - range.start);
        Ok(Blob { meta, range, bytes })
    }

    async fn head(&self, key: &BlobKey) -> Result<BlobMeta> {
        let key = *key;
        self.run("head", move |root| read::head("head", root, &key)).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        let key = *key;
        self.run("delete", move |root| {
            match read::head("delete", root, &key) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
            let (blob, folder) = (root.blob(&key), root.fan_out(&key));
            match fs::remove_file(&blob) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(faults::fault("delete", &blob, error))
                }
                _ => sync_folder(&folder).map_err(|error| faults::fault("delete", &folder, error)),
            }
        })
        .await
    }

    async fn list(&self, after: Option<&BlobKey>, limit: PageLimit) -> Result<Vec<BlobEntry>> {
        let after = after.copied();
        self.run("list", move |root| read::list(root, after.as_ref(), limit)).await
    }

    async fn begin_parts(&self, key: &BlobKey) -> Result<PartSession> {
        let key = *key;
        self.check_free("begin parts", key).await?;
        self.run("begin parts", move |root| sessions::begin(root, key)).await
    }

    async fn put_part(
        &self,
        session: &PartSession,
        number: PartNumber,
        bytes: ByteStream<'_>,
        expected: Option<Md5>,
    ) -> Result<PartReceipt> {
        let folder = sessions::folder("put part", &self.root, session)?;
        let expected = Expected { md5: expected, ..Expected::NOTHING };
        let intake = Intake::new(limited(bytes), expected, "put part");
        let stored = async {
            let (draft, digest) = Draft::filled("put part", folder, intake).await?;
            let name = sessions::part_name(number);
            blocking("put part", move || draft.rename(&name)).await?;
            Ok(digest)
        };
        let stored: Result<BlobDigest> = stored.await;
        match stored {
            Ok(BlobDigest { size, md5, .. }) => {
                Ok(PartReceipt { number, size, md5, tag: String::new() })
            }
            // The session ended meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                sessions::folder("put part", &self.root, session).and(Err(error))
            }
            Err(error) => Err(error),
        }
    }

    async fn complete_parts(
        &self,
        session: &PartSession,
        parts: &[PartReceipt],
        expected: &Expected,
    ) -> Result<BlobDigest> {
        let folder = sessions::folder("complete parts", &self.root, session)?;
        let parts: Vec<_> = in_order(parts)?.into_iter().cloned().collect();
        self.check_free("complete parts", session.key()).await?;
        let bytes = checked(sessions::joined(folder.clone(), parts.clone()), parts);
        let intake = Intake::new(bytes, *expected, "complete parts");
        let digest = self.write(session.key(), intake).await?;
        self.run("complete parts", move |_| sessions::remove("complete parts", &folder)).await?;
        Ok(digest)
    }

    async fn abort_parts(&self, session: &PartSession) -> Result<()> {
        match sessions::folder("abort parts", &self.root, session) {
            Ok(folder) => {
                self.run("abort parts", move |_| sessions::remove("abort parts", &folder)).await
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn remove_leftovers(&self, untouched_for: Duration) -> Result<u64> {
        self.run("remove leftovers", move |root| sessions::remove_leftovers(root, untouched_for))
            .await
    }
}
