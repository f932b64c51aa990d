//! Opening a store by its location.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use repo_core::{Error, ErrorKind, Result};

use crate::digest::Expected;
use crate::folder::FolderBlobs;
use crate::key::BlobKey;
use crate::location::Location;
use crate::objects::ObjectBlobs;
use crate::options::BlobOptions;
use crate::store::{BlobStore, PageLimit};

/// Opens the store at a location, and [probes](probe) it.
///
/// A location is a folder (`/srv/blobs`, `file:/srv/blobs`), which is made if it is missing,
/// or a bucket (`s3://bucket`, `s3://bucket/prefix`), which has to be there.
///
/// # Errors
/// `ConfigInvalid` for another location, and for plain HTTP that is not allowed; `NotFound`
/// for a bucket that is not there; `PermissionDenied`; `Unsupported` for a store that would
/// replace blobs, and for Google Cloud Storage.
///
/// ```
/// use bytes::Bytes;
/// use futures_util::{StreamExt as _, TryStreamExt as _, stream};
/// use repo_blob::{BlobKey, BlobOptions, ByteRange, Expected};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> repo_core::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path().to_str().unwrap();
/// let blobs = repo_blob::open(folder, &BlobOptions::default()).await?;
/// let key = BlobKey::random()?;
/// let bytes = stream::iter([Ok(Bytes::from("some ")), Ok(Bytes::from("bytes"))]).boxed();
/// let digest = blobs.put(&key, bytes, &Expected::NOTHING).await?;
/// assert_eq!(digest.size, 10);
///
/// let blob = blobs.get(&key, ByteRange::from(5)).await?;
/// let bytes: Vec<Bytes> = blob.bytes.try_collect().await?;
/// assert_eq!(bytes.concat(), b"bytes");
/// blobs.verify(&key, &digest).await?;
/// # Ok(())
/// # }
/// ```
pub async fn open(location: &str, options: &BlobOptions) -> Result<Arc<dyn BlobStore>> {
    let blobs: Arc<dyn BlobStore> = match location.parse()? {
        Location::Folder(folder) => Arc::new(FolderBlobs::open(&folder).await?),
        Location::S3(location) => Arc::new(ObjectBlobs::s3(&location, options)?),
    };
    probe(&*blobs).await?;
    Ok(blobs)
}

/// Opens a store that is there, to read it: nothing is made, and nothing is written.
///
/// # Errors
/// `ConfigInvalid` for what is no location; `NotFound` for a folder or a bucket that is not
/// there; `Foreign` for a folder that is no store of blobs; `PermissionDenied`.
pub async fn open_existing(location: &str, options: &BlobOptions) -> Result<Arc<dyn BlobStore>> {
    match location.parse()? {
        Location::Folder(folder) => Ok(Arc::new(FolderBlobs::open_existing(&folder).await?)),
        Location::S3(location) => {
            let blobs = ObjectBlobs::s3(&location, options)?;
            let listed = blobs.list(None, PageLimit::clamped(1)).await;
            listed.map_err(|error| match error.kind() {
                ErrorKind::NotFound => {
                    Error::new(ErrorKind::NotFound, "open", "there is no such bucket")
                        .with("store", &location)
                        .hint("check the name of the bucket, and the server")
                }
                _ => error.with("store", &location),
            })?;
            Ok(Arc::new(blobs))
        }
    }
}

/// Whether a store takes blobs and keeps what is there: writes a few bytes under a random
/// key, writes them again, and deletes them.
///
/// # Errors
/// `Unsupported` if the second write replaced the first, or the store cannot make a write
/// conditional; else what hinders the writes.
pub async fn probe(blobs: &dyn BlobStore) -> Result<()> {
    let key = BlobKey::random()?;
    let bytes = || stream::iter([Ok(Bytes::from_static(b"probe"))]).boxed();
    let located = |error: Error| error.with("store", blobs.location());
    blobs.put(&key, bytes(), &Expected::NOTHING).await.map_err(located)?;
    let again = blobs.put(&key, bytes(), &Expected::NOTHING).await;
    blobs.delete(&key).await.map_err(located)?;
    match again {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(located(error)),
        Ok(_) => {
            let message = "the store ignores the condition of a write: it would replace blobs";
            Err(located(Error::new(ErrorKind::Unsupported, "open", message))
                .hint("use a server that knows conditional writes (If-None-Match)"))
        }
    }
}

/// A store that holds nothing and is in the memory of this process alone: what stands for a
/// folder that is yet to be made, for programs that only look. `location` is a folder.
#[must_use]
pub fn empty_in_memory(location: &str) -> Arc<dyn BlobStore> {
    let folder = location.strip_prefix("file://").or_else(|| location.strip_prefix("file:"));
    let location = format!("file:{}", folder.unwrap_or(location));
    Arc::new(ObjectBlobs::over(Arc::new(object_store::memory::InMemory::new()), &location))
}
