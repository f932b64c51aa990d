//! The storage manager.

use std::fmt;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use repo_blob::{BlobDigest, BlobStore, ByteStream};
use repo_core::strategy::{StorageStrategy, StorageStrategyExt as _};
use repo_core::{
    Clock, CollectionSchema, Document, Entity, EntityId, Error, ErrorKind, Key, Precondition,
    Result, Version, Write,
};

use super::content::{Content, Form};
use super::options::StoreOptions;
use super::places::{Collections, Place};
use super::record::{Kept, Stored};

/// Most bytes that are kept in a record; base64 makes a third more of them.
pub const MAX_RECORD_BYTES: usize = 256 * 1024;
/// How often a write that met another one is made again, and a read that met a removal.
pub(super) const TRIES: usize = 5;

/// Stores content under keys, in places with names. Cheap to clone. See the
/// [module](crate::storage_manager).
///
/// # Errors
/// Besides those of each method: `Invalid` for a key that is empty, has more than 255
/// characters or a control character, and those of the stores.
#[derive(Clone)]
pub struct StorageManager {
    pub(super) store: Arc<dyn StorageStrategy>,
    pub(super) collections: Collections,
    places: Arc<[(String, Place)]>,
    pub(super) clock: Arc<dyn Clock>,
}

impl fmt::Debug for StorageManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageManager")
            .field("collections", &self.collections)
            .field("places", &self.place_names())
            .finish_non_exhaustive()
    }
}

impl StorageManager {
    /// The schemas of the two collections that a manager uses: one with this name, and one
    /// with `_blobs` behind it.
    ///
    /// # Errors
    /// `Invalid` for names that cannot be.
    pub fn schemas(collection: &str) -> Result<Vec<CollectionSchema>> {
        Collections::new(collection)?.schemas()
    }

    pub(super) fn assemble(
        store: Arc<dyn StorageStrategy>,
        collections: Collections,
        places: Arc<[(String, Place)]>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, collections, places, clock }
    }

    /// Stores content under a key, over what is there.
    ///
    /// # Errors
    /// `AlreadyExists` where only something new was asked for; `Invalid` for a place that is
    /// not there and for content that no record can hold; `LimitExceeded` above
    /// [`MAX_RECORD_BYTES`] in a place of records; `Unavailable` if others wrote the same key
    /// all the time. Nothing was stored then. `OutcomeUnknown` as from the stores.
    pub async fn store(
        &self,
        key: &str,
        content: Content,
        options: StoreOptions,
    ) -> Result<Stored> {
        let key = EntityId::new(key)?;
        let (name, place) = self.place(options.place.as_deref())?;
        let form = content.form();
        let Place::Blobs(blobs) = place else {
            return self.store_record(&key, name, &content, options).await;
        };
        let bytes = stream::iter([Ok(content.to_bytes())]).boxed();
        self.store_blob(&key, (name, &**blobs), bytes, form, options).await
    }

    /// Stores the bytes of a stream, with bounded memory.
    ///
    /// # Errors
    /// As [`store`](Self::store); the error of the stream; `Unsupported` for a place of
    /// records.
    pub async fn store_stream(
        &self,
        key: &str,
        bytes: ByteStream<'_>,
        options: StoreOptions,
    ) -> Result<Stored> {
        let key = EntityId::new(key)?;
        match self.place(options.place.as_deref())? {
            (name, Place::Blobs(blobs)) => {
                self.store_blob(&key, (name, &**blobs), bytes, Form::Bytes, options).await
            }
            (name, Place::Records) => {
                let message = "a place of records takes no streams";
                Err(Error::new(ErrorKind::Unsupported, "store", message)
                    .with("place", name)
                    .hint("choose a place of blobs"))
            }
        }
    }

    async fn store_record(
        &self,
        key: &EntityId,
        place: &str,
        content: &Content,
        options: StoreOptions,
    ) -> Result<Stored> {
        let bytes = content.to_bytes();
        if bytes.len() > MAX_RECORD_BYTES {
            let message = "the content is too large for a record";
            return Err(Error::new(ErrorKind::LimitExceeded, "store", message)
                .with("bytes", bytes.len())
                .with("limit", MAX_RECORD_BYTES)
                .hint("choose a place of blobs"));
        }
        let create_only = options.create_only;
        let digest = BlobDigest::of(&bytes);
        let stored = self.stored(key, place, content.form(), &digest, options);
        let document = Kept::new(stored.clone()).holding(content)?;
        self.replace(key, &document, create_only, &[]).await?;
        Ok(stored)
    }

    async fn store_blob(
        &self,
        key: &EntityId,
        (place, blobs): (&str, &dyn BlobStore),
        bytes: ByteStream<'_>,
        form: Form,
        options: StoreOptions,
    ) -> Result<Stored> {
        let create_only = options.create_only;
        if create_only && self.exists_id(key).await? {
            return Err(self.taken(key));
        }
        let (blob, pending, digest) = self.write_pending(place, blobs, bytes).await?;
        let stored = self.stored(key, place, form, &digest, options);
        let kept = Kept { blob: Some(blob), ..Kept::new(stored.clone()) };
        let committed = match kept.to_document() {
            Ok(document) => self.replace(key, &document, create_only, &[pending]).await,
            Err(error) => Err(error),
        };
        match committed {
            Ok(()) => Ok(stored),
            // It may be there, and then its bytes are needed; else the sweeper finds them.
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => Err(error),
            Err(error) => {
                self.discard(blobs, &blob).await;
                Err(not_swept(error))
            }
        }
    }

    fn stored(
        &self,
        key: &EntityId,
        place: &str,
        form: Form,
        digest: &BlobDigest,
        options: StoreOptions,
    ) -> Stored {
        Stored {
            key: key.as_str().to_owned(),
            place: place.to_owned(),
            form,
            content_type: options.content_type.unwrap_or_else(|| form.content_type().to_owned()),
            metadata: options.metadata,
            size: digest.size,
            sha256: digest.sha256,
            stored_at: self.clock.now(),
        }
    }

    /// Puts a record over what is there, and condemns the blob of that, in one commit.
    async fn replace(
        &self,
        key: &EntityId,
        document: &Document,
        create_only: bool,
        others: &[Write],
    ) -> Result<()> {
        let record = Key::new(self.collections.records.clone(), key.clone());
        for _ in 0..TRIES {
            let old = self.store.get(&self.collections.records, key).await?;
            if old.is_some() && create_only {
                return Err(self.taken(key));
            }
            let condition = match &old {
                Some(old) => Precondition::Version(old.version),
                None => Precondition::Absent,
            };
            let mut writes = vec![Write::put(record.clone(), document.clone(), condition)];
            writes.extend_from_slice(others);
            let old_blob = self.condemnation(old.as_ref(), &mut writes)?;
            match self.store.commit(writes).await {
                Ok(_) => {
                    self.remove_condemned(old_blob).await;
                    return Ok(());
                }
                Err(error) if lost_record(&error, &record) => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy(key))
    }

    /// Deletes what is under a key, and says whether something was.
    ///
    /// # Errors
    /// `Unavailable` if others wrote the same key all the time.
    pub async fn delete(&self, key: &str) -> Result<bool> {
        let id = EntityId::new(key)?;
        let record = Key::new(self.collections.records.clone(), id.clone());
        for _ in 0..TRIES {
            let Some(old) = self.store.get(&self.collections.records, &id).await? else {
                return Ok(false);
            };
            let condition = Precondition::Version(old.version);
            let mut writes = vec![Write::delete(record.clone(), condition)];
            let old_blob = self.condemnation(Some(&old), &mut writes)?;
            match self.store.commit(writes).await {
                Ok(_) => {
                    self.remove_condemned(old_blob).await;
                    return Ok(true);
                }
                Err(error) if lost_record(&error, &record) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Err(busy(&id))
    }

    pub(super) async fn exists_id(&self, id: &EntityId) -> Result<bool> {
        Ok(self.version_of(id).await?.is_some())
    }

    pub(super) async fn version_of(&self, id: &EntityId) -> Result<Option<Version>> {
        let entity: Option<Entity> = self.store.get(&self.collections.records, id).await?;
        Ok(entity.map(|entity| entity.version))
    }

    fn place(&self, name: Option<&str>) -> Result<(&str, &Place)> {
        let found = match name {
            None => self.places.first(),
            Some(name) => self.places.iter().find(|(other, _)| other == name),
        };
        found.map(|(name, place)| (name.as_str(), place)).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "store", "there is no place of this name")
                .with("place", format!("{:?}", name.unwrap_or_default()))
                .hint(format!("the places are {}", self.place_names().join(", ")))
        })
    }

    /// The store of blobs that is a place.
    pub(super) fn blobs_of(&self, name: &str) -> Result<Arc<dyn BlobStore>> {
        match self.place(Some(name))? {
            (_, Place::Blobs(blobs)) => Ok(Arc::clone(blobs)),
            (name, Place::Records) => {
                let message = "this place was one of blobs when something was stored in it";
                Err(Error::new(ErrorKind::Invalid, "open", message).with("place", name))
            }
        }
    }

    fn place_names(&self) -> Vec<&str> {
        self.places.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn taken(&self, key: &EntityId) -> Error {
        Error::new(ErrorKind::AlreadyExists, "store", "something is stored under this key")
            .with("key", key)
    }
}

/// Whether the record had another version than was read. All is read anew then, so what else
/// failed shows again.
fn lost_record(error: &Error, record: &Key) -> bool {
    let failed = error.failed_preconditions();
    match error.kind() {
        ErrorKind::Conflict | ErrorKind::AlreadyExists | ErrorKind::NotFound => {
            failed.iter().any(|failed| failed.key == *record)
        }
        _ => false,
    }
}

/// A sweeper that took the note of a blob away is no conflict of the caller's.
fn not_swept(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Conflict | ErrorKind::NotFound => {
            let message = "the write took longer than a sweeper waits";
            Error::new(ErrorKind::Unavailable, "store", message)
                .hint("try again; let the sweeper wait longer than the longest write")
                .caused_by(error)
        }
        _ => error,
    }
}

pub(super) fn busy(key: &EntityId) -> Error {
    Error::new(ErrorKind::Unavailable, "store", "others write this key all the time")
        .with("key", key)
        .hint("try again")
}
