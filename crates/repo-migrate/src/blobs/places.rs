//! The blob stores of a run, by the names that records know them under.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use repo_blob::{BlobKey, BlobStore, Expected};
use repo_core::{Error, ErrorKind, Result};

use crate::archive::Archive;
use crate::options::MigrationOptions;
use crate::report::BlobDepth;

/// Blob stores. The field `store` of a record is the name of one of them; one without a name
/// is meant by every record whose store is not named.
#[derive(Debug, Clone, Default)]
pub struct BlobPlaces {
    places: Vec<BlobPlace>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct BlobPlace {
    name: Option<String>,
    pub(crate) store: Arc<dyn BlobStore>,
}

impl BlobPlaces {
    /// One store for the blobs of every record.
    #[must_use]
    pub fn one(store: Arc<dyn BlobStore>) -> Self {
        Self { places: vec![BlobPlace { name: None, store }] }
    }

    /// Adds a store, under a name or for every record whose store is not named.
    ///
    /// # Errors
    /// `ConfigInvalid` if there is one with that name, or without a name.
    pub fn add(&mut self, name: Option<&str>, store: Arc<dyn BlobStore>) -> Result<()> {
        if self.places.iter().any(|place| place.name.as_deref() == name) {
            let error =
                Error::new(ErrorKind::ConfigInvalid, "name blob stores", "a name is given twice");
            return Err(error.with("name", name.unwrap_or("(none)")));
        }
        self.places.push(BlobPlace { name: name.map(str::to_owned), store });
        Ok(())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The place of the blobs of a record with this store.
    pub(crate) fn index_of(&self, store: &str) -> Option<usize> {
        let named =
            |name: Option<&str>| self.places.iter().position(|place| place.name.as_deref() == name);
        named(Some(store)).or_else(|| named(None))
    }

    pub(crate) fn of(&self, store: &str) -> Option<&BlobPlace> {
        self.places.get(self.index_of(store)?)
    }

    pub(crate) fn as_slice(&self) -> &[BlobPlace] {
        &self.places
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &BlobPlace> {
        self.places.iter()
    }

    /// Where they are, for reports.
    #[must_use]
    pub fn locations(&self) -> String {
        let all: Vec<String> = self.places.iter().map(|place| place.store.location()).collect();
        all.join(", ")
    }
}

impl BlobPlace {
    /// How a blob of it is called in a report.
    pub(crate) fn shown(&self, key: &BlobKey) -> String {
        format!("{}/{key}", self.store.location())
    }
}

/// Which blobs go where.
#[derive(Clone)]
pub struct BlobMove {
    pub(crate) from: BlobPlaces,
    pub(crate) to: BlobPlaces,
    /// How they are compared at the end; `None` for not at all.
    pub(crate) depth: Option<BlobDepth>,
    /// Blobs that are copied at a time, at most. In memory are up to four blocks of 8 MiB of
    /// each.
    pub(crate) workers: NonZeroUsize,
    /// The archive that says which they are; else the records of the source.
    pub(crate) archive: Option<Archive>,
}

impl fmt::Debug for BlobMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobMove")
            .field("from", &self.from.locations())
            .field("to", &self.to.locations())
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

impl BlobMove {
    /// From the stores of the source to those of the target; compared in full afterwards.
    #[must_use]
    pub fn new(from: BlobPlaces, to: BlobPlaces) -> Self {
        let workers = MigrationOptions::default().workers;
        Self { from, to, depth: Some(BlobDepth::Full), workers, archive: None }
    }

    /// Compared like this afterwards; `None` for not at all.
    #[must_use]
    pub fn with_depth(self, depth: Option<BlobDepth>) -> Self {
        Self { depth, ..self }
    }

    /// So many blobs at a time, at most.
    #[must_use]
    pub fn with_workers(self, workers: NonZeroUsize) -> Self {
        Self { workers, ..self }
    }

    /// Those that an archive holds.
    pub(crate) fn of_archive(self, archive: Archive) -> Self {
        Self { archive: Some(archive), ..self }
    }

    /// Refuses one store as both sides: by its name, and, where writing is allowed, by a
    /// blob that is written to the one and looked for in the other.
    pub(crate) async fn refuse_same(&self, may_write: bool) -> Result<()> {
        for from in self.from.iter() {
            for to in self.to.iter() {
                let (ours, theirs) = (from.store.location(), to.store.location());
                let same = ours == theirs
                    || (may_write && kind(&ours) == kind(&theirs) && shows(from, to).await?);
                if same {
                    let message = "the blobs of source and target are in the same store";
                    return Err(Error::new(ErrorKind::ConfigInvalid, "copy blobs", message)
                        .with("store", ours)
                        .with("also_named", theirs)
                        .hint("name another store for the blobs of the target"));
                }
            }
        }
        Ok(())
    }
}

fn kind(location: &str) -> &str {
    location.split(':').next().unwrap_or_default()
}

/// Whether a blob that is written to the one store is in the other.
async fn shows(from: &BlobPlace, to: &BlobPlace) -> Result<bool> {
    let key = BlobKey::random()?;
    let bytes = stream::iter([Ok(Bytes::from_static(b"mark"))]).boxed();
    to.store.put(&key, bytes, &Expected::NOTHING).await?;
    let seen = from.store.head(&key).await;
    to.store.delete(&key).await?;
    match seen {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
