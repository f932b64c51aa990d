//! A service over an open store and its stores of blobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use repo_blob::BlobStore;
use repo_core::strategy::StorageStrategy;
use repo_core::{Attribution, EntityId, Error, ErrorKind, Query, Result, Timestamp, Version};
use repo_engine::Store;

use crate::collections;
use crate::hooks::Step;
use crate::layout;
use crate::model::StoreName;
use crate::options::DataOptions;
use crate::paging::PageOf;
use crate::records::{Attempts, Kept, Tx, Versioned, begin, collection, find_many, missing, typed};
use crate::spool::Spool;
use crate::stores::BlobStores;
use crate::waiting::Waiting;

/// Entries, datasets, datapoints and their bytes. Cheap to clone; all clones are one handle.
///
/// Every call that changes something may be given the version that the caller saw; with
/// another one it is a `Conflict`, as a failed `If-Match`. Creations with an id may be
/// repeated: the same request finds what it made.
#[derive(Debug, Clone)]
pub struct DataService {
    inner: Arc<Inner>,
    attribution: Option<Attribution>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    blobs: BlobStores,
    options: DataOptions,
    spool: Option<Spool>,
    turns: AtomicUsize,
    waiting: Waiting,
}

impl DataService {
    /// A service over a store that was opened with the [schemas](collections::schemas) of the
    /// service. An empty store is made ready.
    ///
    /// # Errors
    /// `Unsupported` and `NotFound` when the store holds data of another version of the
    /// service: the hint says what to run. `ConfigInvalid` when the store was opened without
    /// the schemas.
    ///
    /// ```
    /// use repo_data::model::{Owner, StoreName};
    /// use repo_data::{BlobStores, DataOptions, DataService, collections};
    /// use repo_engine::Store;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> repo_core::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let folder = folder.path().to_str().unwrap();
    /// let store = Store::open("memory:").schemas(collections::schemas()?).await?;
    /// let blobs = repo_blob::open(folder, &Default::default()).await?;
    /// let blobs = BlobStores::new(StoreName::new("main")?, blobs);
    /// let service = DataService::open(store, blobs, DataOptions::default()).await?;
    /// # service.close().await
    /// # }
    /// ```
    pub async fn open(store: Store, blobs: BlobStores, options: DataOptions) -> Result<Self> {
        check_schemas(&store)?;
        blobs.get(blobs.default_name())?;
        layout::check(&**store.strategy(), options.create).await?;
        let spool = match &options.spool {
            Some(folder) => Some(Spool::open(folder, options.spool_quota).await?),
            None => None,
        };
        let attribution = options.attribution.clone();
        let (turns, waiting) = (AtomicUsize::new(0), Waiting::default());
        let inner = Arc::new(Inner { store, blobs, options, spool, turns, waiting });
        Ok(Self { inner, attribution })
    }

    /// The same service for another author: what is written through it is attributed to him,
    /// where the store keeps a history.
    #[must_use]
    pub fn attributed_to(&self, attribution: Attribution) -> Self {
        Self { inner: Arc::clone(&self.inner), attribution: Some(attribution) }
    }

    /// The store with the records.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The stores of blobs.
    #[must_use]
    pub fn blob_stores(&self) -> &BlobStores {
        &self.inner.blobs
    }

    /// What it was opened with.
    #[must_use]
    pub fn options(&self) -> &DataOptions {
        &self.inner.options
    }

    /// The present moment, by the clock of the service.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.options.clock.now()
    }

    /// Closes the store with the records.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn close(&self) -> Result<()> {
        self.inner.store.close().await
    }

    pub(crate) fn strategy(&self) -> &Arc<dyn StorageStrategy> {
        self.inner.store.strategy()
    }

    pub(crate) fn begin(&self) -> Tx {
        let mut tx = begin(self.strategy());
        if let Some(attribution) = &self.attribution {
            tx.attribute_to(attribution.clone());
        }
        tx
    }

    /// Who writes through this handle.
    pub(crate) fn attribution(&self) -> Option<&Attribution> {
        self.attribution.as_ref()
    }

    /// The values that wait for a commit.
    pub(crate) fn waiting(&self) -> &Waiting {
        &self.inner.waiting
    }

    pub(crate) fn attempts(&self) -> Attempts {
        Attempts::new(self.inner.options.retry, self.inner.options.hooks.clone())
    }

    pub(crate) fn step(&self, step: Step) -> Result<()> {
        self.inner.options.hooks.step(step)
    }

    /// A store of blobs.
    pub(crate) fn blob_store(&self, name: &StoreName) -> Result<Arc<dyn BlobStore>> {
        self.inner.options.hooks.alive()?;
        self.inner.blobs.get(name).cloned()
    }

    /// The spool.
    ///
    /// # Errors
    /// `Unsupported` without one.
    pub(crate) fn spool(&self) -> Result<&Spool> {
        self.inner.options.hooks.alive()?;
        self.inner.spool.as_ref().ok_or_else(|| {
            let why = "uploads that arrive bit by bit need a spool folder, and there is none";
            Error::new(ErrorKind::Unsupported, "upload", why)
                .hint("open the service with a spool folder, or upload in parts")
        })
    }

    /// A number that another caller at the same time does not have.
    pub(crate) fn turn(&self) -> usize {
        self.inner.turns.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) async fn find<R: Kept>(&self, id: &EntityId) -> Result<Option<Versioned<R>>> {
        let found = find_many(&**self.strategy(), std::slice::from_ref(id)).await?;
        Ok(found.into_iter().next().flatten())
    }

    pub(crate) async fn read<R: Kept>(&self, id: &EntityId) -> Result<Versioned<R>> {
        self.find(id).await?.ok_or_else(|| missing::<R>(id.as_str()))
    }

    pub(crate) async fn page<R: Kept>(&self, query: &Query) -> Result<PageOf<R>> {
        let page = self.strategy().query(&collection::<R>()?, query).await?;
        let items = page.entities.iter().map(typed).collect::<Result<_>>()?;
        Ok(PageOf { items, next: page.next.map(|cursor| cursor.to_string()) })
    }
}

/// A new value, whose version the commit will tell.
pub(crate) fn fresh<R>(value: R) -> Versioned<R> {
    Versioned { value, version: Version::FIRST }
}

fn check_schemas(store: &Store) -> Result<()> {
    for schema in collections::schemas()?.iter() {
        let declared = store.schemas().declared(&schema.collection);
        if declared.is_none_or(|declared| declared.indexes != schema.indexes) {
            let why = "the store was opened without the schemas of the service";
            return Err(Error::new(ErrorKind::ConfigInvalid, "open the service", why)
                .with("collection", &schema.collection)
                .hint("open it with `.schemas(repo_data::collections::schemas()?)`"));
        }
    }
    Ok(())
}
