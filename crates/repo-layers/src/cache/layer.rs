//! The layer that keeps what was read by key.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use repo_core::strategy::{
    Applied, Capabilities, Record, Remnant, StoreRecord, StoreUpdate, scoped_consistency,
};
use repo_core::{CollectionName, Consistency, EntityId, Key, Result, Write, Written};

use super::entries::{CacheStats, Entries};
use super::entry::MostAge;
use super::follow::Follower;
use super::reads;
use super::writes::WritesUnderWay;
use crate::refusal::positive;
use crate::{Inner, Layer, Operation, OperationKind, operations as op};

/// Keeps what `get` and `get_many` read, within a bound in bytes and for a time: records,
/// tombstones, and that there is nothing. Queries, counts and scans go to the store.
///
/// # What a read may not see
///
/// - What **this handle** wrote, it always sees: nothing is kept of a key while a write of
///   it is under way, and what a read finds that such a write overtook is not kept. A
///   write that was given up, or whose outcome is unknown, may be done after all at any
///   time: then it is like one of another handle.
/// - What **other handles** wrote it sees after `ttl` at the latest, counted from before
///   the store was asked. So the contract's strong read is weakened, and
///   [`Capabilities::max_read_age_ms`] says so.
///   [`follow`](Self::follow) makes it sooner, as long as changes are captured.
/// - [`strong_reads`](repo_core::strategy::strong_reads) go to the store, and what they
///   read is kept. So do reads [`at least`](Consistency::AtLeast) of a token, of which
///   nothing is kept.
/// - Of what is kept, a read of
///   [`bounded staleness`](Consistency::BoundedStaleness) takes only what is no older than
///   that.
///
/// What is not kept is read from the store as outside of any
/// [`with_consistency`](repo_core::strategy::with_consistency), so strongly: its age counts
/// from then.
///
/// A write is not misled: it has the version that was read as its condition, which the
/// store checks. A commit that is refused for a condition forgets the keys that failed,
/// so that the next read asks the store: a [`transaction`](repo_core::transaction()) that
/// runs again reads what is there. A transaction that only reads one key commits nothing,
/// and may have read as above.
///
/// # Misses
///
/// Callers who want a key that is not kept wait for one read. `get_many` asks the store
/// once, for all ids that nobody knows and nobody reads. If a read fails, so do all who
/// wait for it; of a read of several keys only the caller who began it, and the others
/// read for themselves.
///
/// # One cache for several handles
///
/// Clones have one cache. Around several handles of a store in one process they are like
/// one handle: each sees at once what the others wrote. A clone around another store, by
/// its [`location`](repo_core::strategy::StorageStrategy::location), has a cache of its
/// own. Whatever writes to the store without going through a clone is another handle.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use repo_core::strategy::{OpenOptions, StorageStrategyExt as _, strong_reads};
/// use repo_core::{CollectionSchema, Document, Key, MemoryStrategy};
/// use repo_layers::{CacheLayer, Layer as _};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> repo_core::Result<()> {
/// let cache = CacheLayer::new(CacheLayer::MAX_BYTES, Duration::from_secs(30))?;
/// let store = Arc::new(MemoryStrategy::new(OpenOptions::default()));
/// let store = cache.clone().around(store);
///
/// store.prepare(&[CollectionSchema::undeclared("hosts".parse()?)]).await?;
/// let key = Key::new("hosts".parse()?, "h".parse()?);
/// store.create(key.clone(), Document::parse(r#"{"id": "h"}"#)?).await?;
/// for _ in 0..3 {
///     assert!(store.get(&key.collection, &key.id).await?.is_some());
/// }
/// assert_eq!((cache.stats().misses, cache.stats().hits), (1, 2));
/// assert_eq!(store.capabilities().max_read_age_ms, Some(30_000));
///
/// strong_reads(store.get(&key.collection, &key.id)).await?;
/// assert_eq!(cache.stats().misses, 2);
/// # Ok(())
/// # }
/// ```
pub struct CacheLayer {
    shared: Arc<Shared>,
    /// The entries of the store that it stands around.
    entries: OnceLock<Arc<Entries>>,
    /// Whether the handle was closed: from then on it is the store that answers.
    closed: AtomicBool,
    follower: Follower,
    /// What was said of capabilities; lent as long as the layer is there.
    capabilities: boxcar::Vec<Capabilities>,
}

/// What clones have together.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    /// The location and the entries of the store that came first.
    first: OnceLock<(String, Arc<Entries>)>,
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    max_bytes: NonZeroU64,
    ttl: Duration,
    keep_written: bool,
    follow: Option<Duration>,
}

impl CacheLayer {
    /// A bound in bytes for who has no better one: 64 MiB.
    pub const MAX_BYTES: NonZeroU64 = NonZeroU64::MIN.saturating_add(64 * 1_024 * 1_024 - 1);

    /// Keeps at most about `max_bytes`, each entry for `ttl`. An entry counts the text of
    /// its document, its id twice, and 400 bytes. For a moment it may be a sixteenth more,
    /// and what just came in at once. Whatever of it is worth the least goes first: an
    /// entry that was asked for once makes no room for itself among those that are asked
    /// for often.
    ///
    /// # Errors
    /// `ConfigInvalid` for a `ttl` of 0.
    pub fn new(max_bytes: NonZeroU64, ttl: Duration) -> Result<Self> {
        positive("ttl", ttl)?;
        Ok(Self::with(Settings { max_bytes, ttl, keep_written: false, follow: None }))
    }

    /// Keeps what a commit wrote, so that the next read of it is a hit. Without this a
    /// write only forgets, and the next read asks the store. The layer that this returns
    /// shares nothing with clones that were made before.
    ///
    /// The layers within must write documents as they are given: what a processor of the
    /// validation makes of one is not seen here. A cache that keeps what is written
    /// therefore stands within such a layer. Of a key that several callers write at the
    /// same time, the highest version is kept when the last of them has ended.
    #[must_use]
    pub fn keep_written(self) -> Self {
        Self::with(Settings { keep_written: true, ..self.shared.settings })
    }

    /// Follows the change feed of the store, and looks at it each time after `every`: what
    /// others wrote is forgotten then. The task begins with the first read within a tokio
    /// runtime, whose timer it needs, and ends when the handle is closed or dropped; of
    /// several clones one follows.
    ///
    /// While changes are not captured it looks every 30 seconds whether they are, and
    /// `ttl` alone counts; so it does when the feed cannot be read. It begins at the head
    /// of the feed, with an empty cache. A store opened read-only has no feed. The layer
    /// that this returns shares nothing with clones that were made before.
    ///
    /// # Errors
    /// `ConfigInvalid` for a pause of 0.
    pub fn follow(self, every: Duration) -> Result<Self> {
        positive("follow", every)?;
        Ok(Self::with(Settings { follow: Some(every), ..self.shared.settings }))
    }

    /// What the cache did and holds, of this layer and its clones. Of a layer that stands
    /// around no store, that of the first store that a clone was put around.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let first = || self.shared.first.get().map(|(_, entries)| entries);
        self.entries.get().or_else(first).map_or_else(CacheStats::default, |e| e.stats())
    }

    fn with(settings: Settings) -> Self {
        Self::of(Arc::new(Shared { settings, first: OnceLock::new() }))
    }

    fn of(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            entries: OnceLock::new(),
            closed: AtomicBool::new(false),
            follower: Follower::default(),
            capabilities: boxcar::Vec::new(),
        }
    }

    fn entries(&self, inner: &Inner) -> &Arc<Entries> {
        self.entries.get_or_init(|| self.shared.entries_of(inner.location()))
    }
}

impl Shared {
    /// The entries of a store: those of the first one are for its other handles too.
    fn entries_of(&self, location: &str) -> Arc<Entries> {
        let Settings { max_bytes, ttl, .. } = self.settings;
        let make = || Arc::new(Entries::new(max_bytes, ttl));
        let (first, entries) = self.first.get_or_init(|| (location.to_owned(), make()));
        if first == location { Arc::clone(entries) } else { make() }
    }
}

impl Clone for CacheLayer {
    fn clone(&self) -> Self {
        Self::of(Arc::clone(&self.shared))
    }
}

impl fmt::Debug for CacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayer").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Layer for CacheLayer {
    fn capabilities<'a>(&'a self, inner: &'a Inner) -> &'a Capabilities {
        let own = u64::try_from(self.shared.settings.ttl.as_millis()).unwrap_or(u64::MAX);
        let within = inner.capabilities();
        let age = within.max_read_age_ms.unwrap_or(0).saturating_add(own.max(1));
        let now = within.with_max_read_age_ms(Some(age));
        let known = self.capabilities.iter().find(|(_, known)| **known == now);
        let place = known.map_or_else(|| self.capabilities.push(now), |(place, _)| place);
        &self.capabilities[place]
    }

    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        let rewrites = may_rewrite(operation.kind());
        let _forgetting = rewrites.then(|| Forgetting::begin(self.entries(inner)));
        operation.run(&**inner).await
    }

    async fn get_many(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        let level = scoped_consistency();
        // Whether the handle is closed, the collection there, or a token one of this store,
        // is for the store to say.
        if ids.is_empty()
            || self.closed.load(Ordering::Acquire)
            || matches!(level, Some(Consistency::AtLeast(_)))
        {
            return inner.get_many(collection, ids).await;
        }
        let entries = self.entries(inner);
        if let Some(every) = self.shared.settings.follow {
            self.follower.start(entries, inner, every);
        }
        let from_old = inner.capabilities().max_read_age_ms.is_some();
        let most_age = MostAge::of(level, self.shared.settings.ttl, from_old);
        reads::get_many(entries, inner, collection, ids, most_age).await
    }

    async fn commit(&self, inner: &Inner, writes: Vec<Write>) -> Result<Vec<Written>> {
        let entries = self.entries(inner);
        let keep = self.shared.settings.keep_written;
        let under_way = WritesUnderWay::of_commit(entries, &writes, keep);
        match inner.commit(writes).await {
            Ok(written) => {
                under_way.end(&written);
                Ok(written)
            }
            Err(error) => {
                drop(under_way);
                for failed in error.failed_preconditions() {
                    entries.forget(&failed.key);
                }
                Err(error)
            }
        }
    }

    async fn apply(&self, inner: &Inner, records: Vec<Record>) -> Result<Vec<Applied>> {
        let keys = records.iter().map(Record::key);
        let _under_way = WritesUnderWay::of_keys(self.entries(inner), keys);
        inner.apply(records).await
    }

    async fn update_store_record(&self, inner: &Inner, update: StoreUpdate) -> Result<StoreRecord> {
        // A store of another role is written by others.
        let _forgetting =
            matches!(update, StoreUpdate::Role(_)).then(|| Forgetting::begin(self.entries(inner)));
        inner.update_store_record(update).await
    }

    async fn scrub(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Remnant>> {
        let entries = self.entries(inner);
        let keys = ids.iter().map(|id| Key::new(collection.clone(), id.clone()));
        let under_way = WritesUnderWay::of_keys(entries, keys);
        let left = inner.scrub(collection, ids).await;
        drop(under_way);
        // What is erased is to be in no memory either.
        entries.settle_now();
        left
    }

    async fn close(&self, inner: &Inner) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        self.follower.stop();
        let closed = self.call(inner, op::Close {}).await;
        self.entries(inner).forget_all();
        closed
    }
}

/// Something goes on that may change any record. What is kept is forgotten when it begins
/// and again when it ends, or is dropped.
struct Forgetting(Arc<Entries>);

impl Forgetting {
    fn begin(entries: &Arc<Entries>) -> Self {
        entries.forget_all();
        Self(Arc::clone(entries))
    }
}

impl Drop for Forgetting {
    fn drop(&mut self) {
        self.0.forget_all();
    }
}

/// Whether an operation may change records that it does not name. An operation that is
/// new to the contract has to be put on one side.
fn may_rewrite(kind: OperationKind) -> bool {
    match kind {
        OperationKind::Prepare
        | OperationKind::PrepareForLoad
        | OperationKind::UpgradeLayout
        | OperationKind::Purge => true,
        // Those that name the records they change have methods of their own above.
        OperationKind::Commit
        | OperationKind::Apply
        | OperationKind::Scrub
        | OperationKind::UpdateStoreRecord
        // These change other things than records.
        | OperationKind::Checkpoint
        | OperationKind::TrimChanges
        | OperationKind::WriteSystemItems
        | OperationKind::WriteVersions
        | OperationKind::Close
        | OperationKind::DeepHealth
        | OperationKind::InventsVersions
        | OperationKind::PhysicalIdentity
        | OperationKind::UnfinishedJobAfresh
        | OperationKind::CheckPrepare
        | OperationKind::Collections
        | OperationKind::GetMany
        | OperationKind::Query
        | OperationKind::Analyze
        | OperationKind::Aggregate
        | OperationKind::Count
        | OperationKind::Scan
        | OperationKind::StateMark
        | OperationKind::OldestTransaction
        | OperationKind::Token
        | OperationKind::StoreRecord
        | OperationKind::Health
        | OperationKind::Changes
        | OperationKind::Head
        | OperationKind::SystemItem
        | OperationKind::SystemItems
        | OperationKind::OlderVersions
        | OperationKind::Attributions => false,
    }
}
