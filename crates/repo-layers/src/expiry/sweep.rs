//! Removing entities whose time to live has passed.

use std::collections::BTreeSet;
use std::num::{NonZeroU64, NonZeroUsize};

use repo_core::strategy::{StorageStrategy, as_stored};
use repo_core::{
    Clock, CollectionName, EntityId, Error, ErrorKind, Expiry, Key, MAX_PAGE_SIZE, Query, Result,
    Schemas, Write, Written,
};
use serde::Serialize;

use super::removal::removal;

/// How much a [`sweep`] does at a time, and in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepOptions {
    /// Most entities that are read and deleted at a time, and so are held in memory; 100
    /// without more. A store that holds fewer writes in one commit gets fewer.
    pub batch_size: NonZeroUsize,
    /// Most entities that are deleted in all; `None`: all that are due.
    pub most: Option<NonZeroU64>,
}

impl Default for SweepOptions {
    fn default() -> Self {
        Self { batch_size: NonZeroUsize::MIN.saturating_add(99), most: None }
    }
}

impl SweepOptions {
    /// The same with another [`batch_size`](Self::batch_size).
    #[must_use]
    pub const fn with_batch_size(mut self, batch_size: NonZeroUsize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// The same with another [`most`](Self::most).
    #[must_use]
    pub const fn with_most(mut self, most: Option<NonZeroU64>) -> Self {
        self.most = most;
        self
    }
}

/// What a [`sweep`] did in one collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Swept {
    /// The collection.
    pub collection: CollectionName,
    /// How many entities it deleted.
    pub removed: u64,
    /// How many it left although they are out of sight, because their field holds a text that is
    /// no time, or a number below 0. They were stored before the schema named the field, or by a
    /// copy.
    pub no_time: u64,
    /// The first ids of those, at most [`Swept::MOST_NAMED`].
    pub first_without_time: Vec<EntityId>,
    /// Whether it ended at [`SweepOptions::most`], and more may be due.
    pub more: bool,
}

impl Swept {
    /// Most ids that are named.
    pub const MOST_NAMED: usize = 10;

    fn new(collection: CollectionName) -> Self {
        Self { collection, removed: 0, no_time: 0, first_without_time: Vec::new(), more: false }
    }

    fn leave(&mut self, id: EntityId) {
        self.no_time += 1;
        if self.first_without_time.len() < Self::MOST_NAMED {
            self.first_without_time.push(id);
        }
    }
}

/// Deletes the entities of all collections with a time to live whose time has passed by `clock`,
/// batch by batch, each by its version: what is written again meanwhile stays. Deletions leave
/// tombstones, stand in the change feed, and history keeps what they deleted, as of any delete.
/// Several sweepers, in any processes, do not disturb each other; one that is killed has done
/// what it has done. The store may have an [`ExpiryLayer`](crate::ExpiryLayer) around it.
///
/// The collections stand in the answer in the order of their names, those without a time to
/// live left out.
///
/// # Errors
/// Those of the store: `Unsupported` for one that is open for reading only, `NotFound` for a
/// collection that was not prepared. What was deleted before is deleted.
pub async fn sweep(
    store: &dyn StorageStrategy,
    schemas: &Schemas,
    clock: &dyn Clock,
    options: &SweepOptions,
) -> Result<Vec<Swept>> {
    let mut all = Vec::new();
    let mut left = options.most.map(NonZeroU64::get);
    for schema in schemas.iter() {
        let Some(expiry) = &schema.expiry else { continue };
        let sweeper = Sweeper { store, collection: &schema.collection, expiry, clock };
        let swept = as_stored(sweeper.sweep(options.batch_size, left)).await?;
        left = left.map(|left| left.saturating_sub(swept.removed));
        all.push(swept);
    }
    Ok(all)
}

/// The sweep of one collection.
struct Sweeper<'a> {
    store: &'a dyn StorageStrategy,
    collection: &'a CollectionName,
    expiry: &'a Expiry,
    clock: &'a dyn Clock,
}

impl Sweeper<'_> {
    async fn sweep(&self, batch_size: NonZeroUsize, mut left: Option<u64>) -> Result<Swept> {
        let of_store = self.store.capabilities().max_commit_keys.unwrap_or(MAX_PAGE_SIZE);
        let batch = batch_size.get().min(of_store).clamp(1, MAX_PAGE_SIZE);
        let mut query = Query::new(self.expiry.passed(self.clock.now())).limit(batch)?;
        let mut swept = Swept::new(self.collection.clone());
        loop {
            if left == Some(0) {
                swept.more = true;
                return Ok(swept);
            }
            let page = self.store.query(self.collection, &query).await?;
            let mut due = Vec::with_capacity(page.entities.len());
            for entity in page.entities {
                if self.expiry.is_said(&entity.document) {
                    due.push(removal(&entity));
                } else {
                    swept.leave(entity.id);
                }
            }
            let most = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX);
            let cut = due.len() > most;
            due.truncate(most);
            let removed = self.remove(due).await?;
            swept.removed += removed;
            left = left.map(|left| left.saturating_sub(removed));
            if cut {
                swept.more = true;
                return Ok(swept);
            }
            match page.next {
                Some(cursor) => query = query.after(cursor),
                None => return Ok(swept),
            }
        }
    }

    /// Deletes what nobody has written meanwhile, and answers how many that were.
    async fn remove(&self, mut due: Vec<Write>) -> Result<u64> {
        while !due.is_empty() {
            let error = match self.store.commit(due.clone()).await {
                Ok(written) => {
                    let deleted = |one: &&Written| matches!(one, Written::Deleted { .. });
                    return Ok(written.iter().filter(deleted).count() as u64);
                }
                Err(error) => error,
            };
            let before = due.len();
            let changed: BTreeSet<&Key> =
                error.failed_preconditions().iter().map(|failure| &failure.key).collect();
            due.retain(|write| !changed.contains(&write.key));
            if due.len() == before {
                return Err(self.named(error));
            }
        }
        Ok(0)
    }

    fn named(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::LimitExceeded => error.hint("sweep with a smaller batch"),
            _ => error,
        }
        .with("collection", self.collection)
    }
}
