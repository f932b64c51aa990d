//! Objects under names of a program: for what is found by its name and is no blob.

mod folder;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, WriteMultipart,
};
use repo_core::{Error, ErrorKind, Result, Timestamp};

use crate::location::Location;
use crate::objects::connect;
use crate::objects::faults::{Effect, code, fault};
use crate::objects::upload::BLOCK;
use crate::options::BlobOptions;
use crate::store::ByteStream;

/// Parts that are sent while another one is filled.
const UNDER_WAY: usize = 3;

/// Objects under names, below a place in an object store.
///
/// A name is one or more words of `a-z`, `A-Z`, `0-9`, `.`, `-` and `_`, between slashes. The
/// names are the program's; nothing of a user becomes one. Unlike a
/// [`BlobStore`](crate::BlobStore) it replaces where it is asked to.
///
/// # Errors
/// Of every call: `Invalid` for another name; `NotFound` for an object or a bucket that is
/// not there; `Unavailable`, `OutcomeUnknown` and `PermissionDenied` as of a `BlobStore`.
#[derive(Clone)]
pub struct NamedObjects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    location: Arc<str>,
    /// Of objects that are files of this machine.
    folder: Option<Arc<std::path::Path>>,
}

impl fmt::Debug for NamedObjects {
    // The store beneath may show how it signs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.location)
    }
}

/// An object that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedObject {
    /// Its name, below the place.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// When it was written, by the clock of the store.
    pub modified: Timestamp,
}

impl NamedObjects {
    /// Those of a bucket, `s3://bucket` or `s3://bucket/prefix`. Nothing is asked of the
    /// server yet.
    ///
    /// # Errors
    /// `ConfigInvalid` for another location, and for settings that make no client.
    pub fn open(location: &str, options: &BlobOptions) -> Result<Self> {
        match location.parse()? {
            Location::S3(location) => {
                let store: Arc<dyn ObjectStore> = Arc::new(connect::s3(&location, options)?);
                let prefix = Path::from(location.prefix());
                let location = Arc::from(location.to_string());
                Ok(Self { store, prefix, location, folder: None })
            }
            Location::Folder(_) => {
                Err(Error::new(ErrorKind::ConfigInvalid, "open", "this is no object store")
                    .hint("an object store is s3://BUCKET or s3://BUCKET/PREFIX"))
            }
        }
    }

    /// Those of any store of the crate `object_store`; `location` is its name in messages.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>, location: &str) -> Self {
        Self { store, prefix: Path::default(), location: Arc::from(location), folder: None }
    }

    /// Where they are, without credentials.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Those below a name.
    ///
    /// # Errors
    /// `Invalid` for what is no name.
    pub fn within(&self, name: &str) -> Result<Self> {
        let location = Arc::from(format!("{}/{name}", self.location));
        let prefix = self.path(name)?;
        let folder = self.folder.as_ref().map(|folder| Arc::from(folder.join(name)));
        Ok(Self { store: Arc::clone(&self.store), prefix, location, folder })
    }

    fn path(&self, name: &str) -> Result<Path> {
        let in_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let good = |word: &str| !matches!(word, "" | "." | "..") && word.bytes().all(in_word);
        let bad = || {
            Error::new(ErrorKind::Invalid, "name", "this is no name of an object")
                .with("name", name)
        };
        if !name.split('/').all(good) {
            return Err(bad());
        }
        let prefix = self.prefix.as_ref();
        let separator = if prefix.is_empty() { "" } else { "/" };
        // The prefix has been encoded already.
        Path::parse(format!("{prefix}{separator}{name}")).map_err(|_| bad())
    }

    fn fault(&self, operation: &'static str, effect: Effect, error: &object_store::Error) -> Error {
        let found = fault(operation, effect, error).with("store", &self.location);
        let no_bucket = code(error).as_deref() == Some("NoSuchBucket");
        if found.kind() == ErrorKind::NotFound && no_bucket {
            return Error::new(ErrorKind::NotFound, operation, "there is no such bucket")
                .with("store", &self.location);
        }
        found
    }

    /// Creates a small object, on condition that there is none.
    ///
    /// # Errors
    /// `AlreadyExists` if there is one. What is there stays.
    pub async fn create(&self, name: &str, bytes: Bytes) -> Result<()> {
        self.put_small(name, bytes, PutMode::Create).await
    }

    /// Writes a small object in place of what is there.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn replace(&self, name: &str, bytes: Bytes) -> Result<()> {
        self.put_small(name, bytes, PutMode::Overwrite).await
    }

    async fn put_small(&self, name: &str, bytes: Bytes, mode: PutMode) -> Result<()> {
        let effect = if mode == PutMode::Create { Effect::Creates } else { Effect::Repeatable };
        let options = PutOptions { mode, ..PutOptions::default() };
        let put = self.store.put_opts(&self.path(name)?, bytes.into(), options).await;
        put.map(drop).map_err(|error| {
            let error = self.fault("write", effect, &error).with("name", name);
            match error.kind() {
                ErrorKind::AlreadyExists => {
                    Error::new(ErrorKind::AlreadyExists, "write", "there is an object so named")
                        .with("store", &self.location)
                        .with("name", name)
                }
                _ => error,
            }
        })
    }

    /// Writes the bytes of a stream in blocks of 8 MiB, four of which are in memory, and says
    /// how many bytes they were. There is no object before its end. What a killed process
    /// sent is the matter of the bucket's rule `AbortIncompleteMultipartUpload`.
    ///
    /// # Errors
    /// That of the stream, as it is.
    pub async fn write(&self, name: &str, mut bytes: ByteStream<'_>) -> Result<u64> {
        let path = self.path(name)?;
        let mut size = 0;
        let mut first = BytesMut::new();
        let mut upload: Option<WriteMultipart> = None;
        loop {
            let next = match bytes.try_next().await {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(error) => return Err(give_up(upload, error).await),
            };
            size += next.len() as u64;
            match &mut upload {
                None if first.len() + next.len() <= BLOCK => first.extend_from_slice(&next),
                None => {
                    let begun = self.store.put_multipart(&path).await;
                    let begun =
                        begun.map_err(|error| self.fault("write", Effect::Repeatable, &error))?;
                    let mut begun = WriteMultipart::new_with_chunk_size(begun, BLOCK);
                    begun.put(first.split().freeze());
                    begun.put(next);
                    upload = Some(begun);
                }
                Some(open) => {
                    let ready = open.wait_for_capacity(UNDER_WAY).await;
                    if let Err(error) = ready {
                        let error = self.fault("write", Effect::Repeatable, &error);
                        return Err(give_up(upload, error).await);
                    }
                    open.put(next);
                }
            }
        }
        match upload {
            None => self.put_small(name, first.freeze(), PutMode::Overwrite).await?,
            Some(upload) => {
                let finished = upload.finish().await;
                finished.map_err(|error| self.fault("write", Effect::Creates, &error))?;
            }
        }
        Ok(size)
    }

    /// Reads an object: its size, and its bytes.
    ///
    /// # Errors
    /// Those of every call, also in the stream.
    pub async fn read(&self, name: &str) -> Result<(u64, ByteStream<'static>)> {
        let got = self.store.get_opts(&self.path(name)?, GetOptions::default()).await;
        let failed = |error| self.fault("read", Effect::Repeatable, &error).with("name", name);
        let got = got.map_err(failed)?;
        let (size, here, name) = (got.meta.size, self.clone(), name.to_owned());
        let bytes = got.into_stream().map_err(move |error| {
            here.fault("read", Effect::Repeatable, &error).with("name", &name)
        });
        Ok((size, bytes.boxed()))
    }

    /// The bytes of an object that fits into memory; `None` where there is no such object.
    ///
    /// # Errors
    /// Those of every call, but for an object that is not there.
    pub async fn read_all(&self, name: &str) -> Result<Option<Bytes>> {
        let path = self.path(name)?;
        let read = async { self.store.get(&path).await?.bytes().await };
        self.found(name, read.await)
    }

    /// A part of an object; `None` where there is no such object. A range that goes beyond the
    /// end gives what there is, or fails where it begins there.
    ///
    /// # Errors
    /// Those of every call, but for an object that is not there.
    pub async fn read_range(&self, name: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        let path = self.path(name)?;
        let read = self.store.get_range(&path, range).await;
        self.found(name, read)
    }

    fn found<T>(&self, name: &str, read: Result<T, object_store::Error>) -> Result<Option<T>> {
        match read {
            Ok(found) => Ok(Some(found)),
            Err(error) => {
                let missing = matches!(error, object_store::Error::NotFound { .. });
                let in_a_bucket = code(&error).as_deref() != Some("NoSuchBucket");
                if missing && in_a_bucket {
                    return Ok(None);
                }
                Err(self.fault("read", Effect::Repeatable, &error).with("name", name))
            }
        }
    }

    /// Whether the store keeps what an object was when it is replaced or deleted, as a bucket
    /// with versions does.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn keeps_versions(&self, name: &str) -> Result<bool> {
        let found = self.store.head(&self.path(name)?).await;
        let found = found.map_err(|error| {
            self.fault("look at", Effect::Repeatable, &error).with("name", name)
        })?;
        Ok(found.version.is_some_and(|version| version != "null"))
    }

    /// At most `most` of the objects in a folder, by name, that come after a name in it. No
    /// more is asked of the server than that needs, where it gives them in order.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn listed_after(
        &self,
        folder: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<NamedObject>> {
        let prefix = self.path(folder)?;
        let listed = match after {
            Some(after) => self
                .store
                .list_with_offset(Some(&prefix), &self.path(&format!("{folder}/{after}"))?),
            None => self.store.list(Some(&prefix)),
        };
        let mut listed = listed
            .map_err(|error| self.fault("list", Effect::Repeatable, &error).with("name", folder));
        let mut found = Vec::new();
        // Files of a folder come in no order.
        let in_order = self.folder.is_none();
        while let Some(object) = listed.try_next().await? {
            found.extend(self.named(&object)?);
            if in_order && found.len() >= most {
                break;
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found.truncate(most);
        Ok(found)
    }

    fn named(&self, found: &ObjectMeta) -> Result<Option<NamedObject>> {
        let Some(name) = self.below(&found.location) else { return Ok(None) };
        let modified = Timestamp::from_micros(found.last_modified.timestamp_micros())?;
        Ok(Some(NamedObject { name, size: found.size, modified }))
    }

    /// Removes an object. One that is not there is removed already.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn delete(&self, name: &str) -> Result<()> {
        match self.store.delete(&self.path(name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.fault("delete", Effect::Repeatable, &error).with("name", name)),
        }
    }

    /// The first words of the names that have more than one, in their order.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn folders(&self) -> Result<Vec<String>> {
        let found = self.store.list_with_delimiter(self.listed()).await;
        let found = found.map_err(|error| self.fault("list", Effect::Repeatable, &error))?;
        let words = found.common_prefixes.iter().filter_map(|path| self.below(path));
        let mut words: Vec<String> = words.collect();
        words.sort();
        Ok(words)
    }

    /// Every object, in no order. They are asked for as they are taken.
    pub fn objects(&self) -> futures_util::stream::BoxStream<'static, Result<NamedObject>> {
        let here = self.clone();
        let failed = self.clone();
        self.store
            .list(self.listed())
            .map_err(move |error| failed.fault("list", Effect::Repeatable, &error))
            .try_filter_map(move |found| futures_util::future::ready(here.named(&found)))
            .boxed()
    }

    fn listed(&self) -> Option<&Path> {
        Some(&self.prefix).filter(|prefix| !prefix.as_ref().is_empty())
    }

    fn below(&self, path: &Path) -> Option<String> {
        let below = path.as_ref().strip_prefix(self.prefix.as_ref())?;
        let below = below.strip_prefix('/').unwrap_or(below).trim_end_matches('/');
        (!below.is_empty()).then(|| below.to_owned())
    }
}

/// Ends an upload. Its own error would hide the one that led here.
async fn give_up(upload: Option<WriteMultipart>, error: Error) -> Error {
    if let Some(upload) = upload {
        let _ = upload.abort().await;
    }
    error
}
