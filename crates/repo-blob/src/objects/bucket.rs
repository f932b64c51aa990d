//! Where the objects are, and the requests that more than one task makes.

use std::fmt;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    PutPayload,
};
use repo_core::{Error, ErrorKind, Result, Timestamp};

use crate::key::BlobKey;
use crate::objects::faults::{Effect, code, fault, status};
use crate::range::ByteRange;
use crate::store::{Blob, BlobEntry, BlobMeta, PageLimit};
use crate::stream::measured;

/// What a store of objects has to offer.
pub trait Remote: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> Remote for T {}

/// A bucket, or a part of one.
#[derive(Clone)]
pub(super) struct Bucket {
    store: Arc<dyn Remote>,
    prefix: Path,
    location: Arc<str>,
}

impl fmt::Debug for Bucket {
    // The store beneath may show how it signs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.location)
    }
}

impl Bucket {
    pub(super) fn new(store: Arc<dyn Remote>, prefix: Path, location: &str) -> Self {
        Self { store, prefix, location: Arc::from(location) }
    }

    pub(super) fn location(&self) -> &str {
        &self.location
    }

    fn path(&self, key: &BlobKey) -> Path {
        let prefix = self.prefix.as_ref();
        let separator = if prefix.is_empty() { "" } else { "/" };
        Path::from(format!("{prefix}{separator}{}", key.path()))
    }

    /// Creates an object from bytes in memory, on condition that there is none.
    pub(super) async fn create(&self, key: &BlobKey, payload: PutPayload) -> Result<()> {
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let created = self.store.put_opts(&self.path(key), payload, create).await;
        created.map(drop).map_err(|error| {
            let error = fault("put", Effect::Creates, &error).with("key", key);
            if error.kind() == ErrorKind::AlreadyExists {
                error.hint("take a new key")
            } else {
                error
            }
        })
    }

    pub(super) async fn head(&self, operation: &'static str, key: &BlobKey) -> Result<BlobMeta> {
        let found = self.store.head(&self.path(key)).await;
        found
            .map_err(|error| self.read_fault(operation, key, &error))
            .and_then(|found| meta(&found))
    }

    /// `AlreadyExists` if there is a blob.
    pub(super) async fn check_free(&self, operation: &'static str, key: &BlobKey) -> Result<()> {
        match self.head(operation, key).await {
            Ok(_) => {
                let message = "there is a blob with this key";
                Err(Error::new(ErrorKind::AlreadyExists, operation, message).with("key", key))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn read_fault(
        &self,
        operation: &'static str,
        key: &BlobKey,
        error: &object_store::Error,
    ) -> Error {
        let found = fault(operation, Effect::Repeatable, error);
        match found.kind() {
            ErrorKind::NotFound if code(error).as_deref() == Some("NoSuchBucket") => {
                Error::new(ErrorKind::NotFound, operation, "there is no such bucket")
                    .with("store", &self.location)
            }
            ErrorKind::NotFound => {
                Error::new(ErrorKind::NotFound, operation, "there is no such blob").with("key", key)
            }
            _ => found.with("key", key),
        }
    }

    /// Reads a range. Its end is only known with the size, which is asked for before.
    pub(super) async fn get(&self, key: &BlobKey, range: ByteRange) -> Result<Blob> {
        let mut options = GetOptions::default();
        if !range.is_whole() {
            let size = self.head("get", key).await?.size;
            options.range = Some(GetRange::Bounded(range.resolve(size)?));
        }
        let got = self.store.get_opts(&self.path(key), options).await;
        let got = got.map_err(|error| self.read_fault("get", key, &error))?;
        let (meta, range, key) = (meta(&got.meta)?, got.range.clone(), *key);
        let bytes = got
            .into_stream()
            .map_err(move |error| fault("get", Effect::Repeatable, &error).with("key", key));
        let bytes = measured(bytes.boxed(), key, range.end - range.start);
        Ok(Blob { meta, range, bytes })
    }

    pub(super) async fn delete(&self, key: &BlobKey) -> Result<()> {
        match self.store.delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(fault("delete", Effect::Repeatable, &error).with("key", key)),
        }
    }

    /// The keys behind another one. The pages of the store are fetched as they are needed.
    pub(super) async fn list(
        &self,
        after: Option<&BlobKey>,
        limit: PageLimit,
    ) -> Result<Vec<BlobEntry>> {
        let prefix = Some(&self.prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let mut found = match after {
            Some(after) => self.store.list_with_offset(prefix, &self.path(after)),
            None => self.store.list(prefix),
        };
        let mut entries = Vec::new();
        while entries.len() < limit.get() {
            let next = found.try_next().await;
            let Some(object) = next.map_err(|error| fault("list", Effect::Repeatable, &error))?
            else {
                break;
            };
            if let Some(key) = self.key_of(&object.location) {
                entries.push(BlobEntry { key, meta: meta(&object)? });
            }
        }
        Ok(entries)
    }

    fn key_of(&self, path: &Path) -> Option<BlobKey> {
        let below = path.as_ref().strip_prefix(self.prefix.as_ref())?;
        BlobKey::from_path(below.strip_prefix('/').unwrap_or(below))
    }

    pub(super) async fn begin_upload(
        &self,
        operation: &'static str,
        key: &BlobKey,
    ) -> Result<String> {
        let begun = self.store.create_multipart(&self.path(key)).await;
        begun.map_err(|error| fault(operation, Effect::Repeatable, &error).with("key", key))
    }

    pub(super) async fn send_part(
        &self,
        operation: &'static str,
        key: &BlobKey,
        upload: &String,
        index: usize,
        payload: PutPayload,
    ) -> Result<PartId> {
        let sent = self.store.put_part(&self.path(key), upload, index, payload).await;
        sent.map_err(|error| fault(operation, Effect::Repeatable, &error).with("key", key))
    }

    /// Joins the parts. After a lost answer it looks whether they were joined: nobody else
    /// writes to a random key, so a blob of that size is this one.
    pub(super) async fn complete_upload(
        &self,
        operation: &'static str,
        key: &BlobKey,
        upload: &String,
        parts: Vec<PartId>,
        size: u64,
    ) -> Result<()> {
        let completed = self.store.complete_multipart(&self.path(key), upload, parts).await;
        let Err(error) = completed else { return Ok(()) };
        if self.head(operation, key).await.is_ok_and(|found| found.size == size) {
            return Ok(());
        }
        let found = fault(operation, Effect::Creates, &error).with("key", key);
        // The parts are not what S3 has: InvalidPart, InvalidPartOrder, EntityTooSmall.
        Err(if status(&error) == Some(400) { found.into_kind(ErrorKind::Invalid) } else { found })
    }

    /// Ends an upload; one that has ended stays so.
    pub(super) async fn abort_upload(
        &self,
        operation: &'static str,
        key: &BlobKey,
        upload: &String,
    ) -> Result<()> {
        let aborted = self.store.abort_multipart(&self.path(key), upload).await;
        match aborted.map_err(|error| fault(operation, Effect::Repeatable, &error)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            aborted => aborted,
        }
    }
}

fn meta(object: &ObjectMeta) -> Result<BlobMeta> {
    let modified = Timestamp::from_micros(object.last_modified.timestamp_micros())?;
    Ok(BlobMeta { size: object.size, modified })
}
