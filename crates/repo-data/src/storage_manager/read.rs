//! Reading what a storage manager keeps.

use std::fmt;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use repo_blob::{BlobDigest, ByteRange, ByteStream};
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{
    Consistency, Cursor, EntityId, Error, ErrorKind, FieldPath, Filter, Predicate, Query, Result,
};

use super::content::Content;
use super::manager::{StorageManager, TRIES, busy};
use super::record::{Kept, Stored};

/// Most bytes that [`StorageManager::retrieve`] holds in memory; larger content is
/// [opened](StorageManager::open).
pub const MAX_RETRIEVED_BYTES: u64 = 64 * 1024 * 1024;

/// Content that came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrieved {
    /// What is known of it.
    pub stored: Stored,
    /// The content.
    pub content: Content,
}

/// Content that is being read.
pub struct Opened {
    /// What is known of it.
    pub stored: Stored,
    /// Its bytes; of JSON, those of its canonical form.
    pub bytes: ByteStream<'static>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("stored", &self.stored).finish_non_exhaustive()
    }
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct StoredPage {
    /// What is stored, in the order of the keys.
    pub stored: Vec<Stored>,
    /// Where the next page starts; nothing behind the last one.
    pub next: Option<Cursor>,
}

impl StorageManager {
    /// Reads content, and compares it with its digest.
    ///
    /// # Errors
    /// `NotFound`; `LimitExceeded` above [`MAX_RETRIEVED_BYTES`]; `Corrupt` for content that
    /// is not what was stored; `Invalid` for a place that this manager does not have.
    pub async fn retrieve(&self, key: &str) -> Result<Retrieved> {
        let Opened { stored, bytes } = self.open(key).await?;
        if stored.size > MAX_RETRIEVED_BYTES {
            let message = "the content is too large to be held in memory";
            return Err(Error::new(ErrorKind::LimitExceeded, "retrieve", message)
                .with("bytes", stored.size)
                .with("limit", MAX_RETRIEVED_BYTES)
                .hint("open it, and read it piece by piece"));
        }
        let pieces: Vec<Bytes> = bytes.try_collect().await?;
        let bytes: Bytes = match pieces.as_slice() {
            [only] => only.clone(),
            pieces => pieces.concat().into(),
        };
        if BlobDigest::of(&bytes).sha256 != stored.sha256 {
            return Err(damaged(key));
        }
        let content = Content::from_bytes(stored.form, bytes).ok_or_else(|| damaged(key))?;
        Ok(Retrieved { stored, content })
    }

    /// Reads content piece by piece. Its digest is not compared.
    ///
    /// # Errors
    /// As [`retrieve`](Self::retrieve), without a limit.
    pub async fn open(&self, key: &str) -> Result<Opened> {
        let id = EntityId::new(key)?;
        for _ in 0..TRIES {
            let entity = self.store.get(&self.collections.records, &id).await?;
            let entity = entity.ok_or_else(|| missing(key))?;
            let kept: Kept = entity.document.deserialize()?;
            let Some(blob) = kept.blob else {
                let content = kept.content(&entity.document).ok_or_else(|| damaged(key))?;
                let bytes = stream::iter([Ok(content.to_bytes())]).boxed();
                return Ok(Opened { stored: kept.stored, bytes });
            };
            let blobs = self.blobs_of(&kept.stored.place)?;
            match blobs.get(&blob, ByteRange::WHOLE).await {
                Ok(blob) => return Ok(Opened { stored: kept.stored, bytes: blob.bytes }),
                // Somebody replaced it in between; if not, it is lost.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    if self.version_of(&id).await? == Some(entity.version) {
                        return Err(damaged(key).caused_by(error));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(busy(&id))
    }

    /// Whether something is under a key.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn exists(&self, key: &str) -> Result<bool> {
        self.exists_id(&EntityId::new(key)?).await
    }

    /// What is known of something, without its content.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn describe(&self, key: &str) -> Result<Stored> {
        let id = EntityId::new(key)?;
        let entity = self.store.get(&self.collections.records, &id).await?;
        let kept: Kept = entity.ok_or_else(|| missing(key))?.document.deserialize()?;
        Ok(kept.stored)
    }

    /// What is stored under the keys with this beginning, in the order of the keys: one page
    /// of at most `limit`, 1 to 10,000, after a cursor.
    ///
    /// # Errors
    /// `Invalid` for another limit and for a cursor of another list.
    pub async fn list(
        &self,
        prefix: &str,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<StoredPage> {
        let filter = match prefix {
            "" => Filter::default(),
            prefix => {
                Filter::Field(FieldPath::parse("id")?, Predicate::BeginsWith(prefix.to_owned()))
            }
        };
        let mut query = Query::new(filter).order_by("id")?.limit(limit)?.strong();
        if let Some(cursor) = after {
            query = query.after(cursor);
        }
        let page = self.store.query(&self.collections.records, &query).await?;
        let stored = page.entities.iter().map(|entity| {
            let kept: Kept = entity.document.deserialize()?;
            Ok(kept.stored)
        });
        Ok(StoredPage { stored: stored.collect::<Result<_>>()?, next: page.next })
    }

    /// How many keys have this beginning.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn count(&self, prefix: &str) -> Result<u64> {
        let begins = Predicate::BeginsWith(prefix.to_owned());
        let filter = Filter::Field(FieldPath::parse("id")?, begins);
        self.store.count(&self.collections.records, &filter, Consistency::Strong).await
    }
}

fn missing(key: &str) -> Error {
    Error::new(ErrorKind::NotFound, "retrieve", "nothing is stored under this key").with("key", key)
}

fn damaged(key: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "retrieve", "the content is not what was stored")
        .with("key", key)
        .hint("store it again, or restore a backup")
}
