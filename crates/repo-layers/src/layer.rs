//! What a layer is: hooks around the calls of a strategy.

use std::num::NonZeroUsize;
use std::sync::Arc;

use repo_core::strategy::{
    Applied, Capabilities, Changes, FeedPosition, OlderThan, OlderVersion, OpenTransaction,
    PhysicalIdentity, Prepared, Purged, Record, RecordStream, Remnant, ScanOptions, StateMark,
    StorageStrategy, StoreRecord, StoreUpdate, SystemCollection, SystemItem, SystemWrite,
    UnfinishedJob, VersionWrite,
};
use repo_core::{
    Aggregates, Aggregation, Attribution, CollectionName, CollectionSchema, Consistency, EntityId,
    Filter, Health, HealthDepth, Page, Query, QueryAnalysis, Result, Timestamp, Token, Version,
    Write, Written,
};

use crate::{Operation, OperationKind, operations as op};

/// What a layer stands around: a store, or the next layer inwards.
pub type Inner = Arc<dyn StorageStrategy>;

/// A layer around a store: a strategy itself. Made by [`Layer::around`].
#[derive(Debug)]
pub struct Layered<L> {
    pub(crate) layer: L,
    pub(crate) inner: Inner,
}

impl<L: Layer> Layered<L> {
    /// Puts `layer` around `inner`.
    pub fn new(layer: L, inner: Inner) -> Self {
        Self { layer, inner }
    }

    /// The layer.
    pub fn layer(&self) -> &L {
        &self.layer
    }

    /// What it stands around.
    pub fn inner(&self) -> &Inner {
        &self.inner
    }
}

/// Something to be done around the calls of a strategy.
///
/// [`around`](Self::around) makes a strategy of a layer and what it stands
/// around. Every method hands on by itself, so a layer says only what it does
/// differently:
///
/// - in [`call`](Self::call), whatever is the same for every operation;
/// - in [`stream`](Self::stream), what happens to the records of a scan;
/// - in the method that goes by an operation's name, what is about that one. It
///   takes the place of `call` for it, unless it calls it.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use repo_core::strategy::{OpenOptions, StorageStrategy as _, StorageStrategyExt as _};
/// use repo_core::{CollectionSchema, Document, Key, MemoryStrategy, Result, Write, Written};
/// use repo_layers::{Inner, Layer, Operation};
///
/// /// Counts every call, and the writes that were acknowledged.
/// #[derive(Debug, Clone, Default)]
/// struct Counting(Arc<[AtomicU64; 2]>);
///
/// impl Layer for Counting {
///     async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
///         self.0[0].fetch_add(1, Ordering::Relaxed);
///         operation.run(&**inner).await
///     }
///
///     async fn commit(&self, inner: &Inner, writes: Vec<Write>) -> Result<Vec<Written>> {
///         let written = inner.commit(writes).await?;
///         self.0[1].fetch_add(written.len() as u64, Ordering::Relaxed);
///         Ok(written)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let counts = Counting::default();
/// let store = counts.clone().around(Arc::new(MemoryStrategy::new(OpenOptions::default())));
/// store.prepare(&[CollectionSchema::undeclared("notes".parse()?)]).await?;
/// store.save(Key::new("notes".parse()?, "n".parse()?), Document::parse(r#"{"id":"n"}"#)?).await?;
/// assert_eq!(counts.0[0].load(Ordering::Relaxed), 1);
/// assert_eq!(counts.0[1].load(Ordering::Relaxed), 1);
/// # Ok(())
/// # }
/// ```
pub trait Layer: std::fmt::Debug + Send + Sync + Sized + 'static {
    /// The strategy that is this layer around `inner`.
    fn around(self, inner: Inner) -> Inner {
        Arc::new(Layered::new(self, inner))
    }

    /// Around every operation.
    fn call<O: Operation>(
        &self,
        inner: &Inner,
        operation: O,
    ) -> impl Future<Output = Result<O::Output>> + Send {
        operation.run(&**inner)
    }

    /// Around the records that an operation answered, of a scan or of a change
    /// feed. The operation itself went through [`call`](Self::call).
    fn stream(
        &self,
        _inner: &Inner,
        _kind: OperationKind,
        _collection: Option<&CollectionName>,
        records: RecordStream,
    ) -> RecordStream {
        records
    }

    /// For [`StorageStrategy::location`].
    fn location<'a>(&'a self, inner: &'a Inner) -> &'a str {
        inner.location()
    }

    /// For [`StorageStrategy::foreign`].
    fn foreign<'a>(&'a self, inner: &'a Inner) -> Option<&'a str> {
        inner.foreign()
    }

    /// For [`StorageStrategy::capabilities`].
    fn capabilities<'a>(&'a self, inner: &'a Inner) -> &'a Capabilities {
        inner.capabilities()
    }

    /// Around [`StorageStrategy::invents_versions`].
    fn invents_versions(&self, inner: &Inner) -> impl Future<Output = Result<bool>> + Send {
        self.call(inner, op::InventsVersions {})
    }

    /// Around [`StorageStrategy::physical_identity`].
    fn physical_identity(
        &self,
        inner: &Inner,
    ) -> impl Future<Output = Result<Option<PhysicalIdentity>>> + Send {
        self.call(inner, op::PhysicalIdentityOf {})
    }

    /// Around [`StorageStrategy::unfinished_job_afresh`].
    fn unfinished_job_afresh(
        &self,
        inner: &Inner,
    ) -> impl Future<Output = Result<Option<UnfinishedJob>>> + Send {
        self.call(inner, op::UnfinishedJobAfresh {})
    }

    /// Around [`StorageStrategy::prepare`].
    fn prepare(
        &self,
        inner: &Inner,
        schemas: &[CollectionSchema],
    ) -> impl Future<Output = Result<Vec<Prepared>>> + Send {
        self.call(inner, op::Prepare { schemas })
    }

    /// Around [`StorageStrategy::prepare_for_load`].
    fn prepare_for_load(
        &self,
        inner: &Inner,
        schemas: &[CollectionSchema],
    ) -> impl Future<Output = Result<Vec<Prepared>>> + Send {
        self.call(inner, op::PrepareForLoad { schemas })
    }

    /// Around [`StorageStrategy::upgrade_layout`].
    fn upgrade_layout(&self, inner: &Inner) -> impl Future<Output = Result<Option<u32>>> + Send {
        self.call(inner, op::UpgradeLayout {})
    }

    /// Around [`StorageStrategy::check_prepare`].
    fn check_prepare(
        &self,
        inner: &Inner,
        schemas: &[CollectionSchema],
    ) -> impl Future<Output = Result<()>> + Send {
        self.call(inner, op::CheckPrepare { schemas })
    }

    /// Around [`StorageStrategy::collections`].
    fn collections(
        &self,
        inner: &Inner,
    ) -> impl Future<Output = Result<Vec<CollectionName>>> + Send {
        self.call(inner, op::Collections {})
    }

    /// Around [`StorageStrategy::get_many`].
    fn get_many(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> impl Future<Output = Result<Vec<Option<Record>>>> + Send {
        async move { self.call(inner, op::GetMany { collection, ids }).await }
    }

    /// Around [`StorageStrategy::query`].
    fn query(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        query: &Query,
    ) -> impl Future<Output = Result<Page>> + Send {
        async move { self.call(inner, op::Query { collection, query }).await }
    }

    /// Around [`StorageStrategy::analyze`].
    fn analyze(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        query: &Query,
    ) -> impl Future<Output = Result<QueryAnalysis>> + Send {
        async move { self.call(inner, op::Analyze { collection, query }).await }
    }

    /// Around [`StorageStrategy::count`].
    fn count(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> impl Future<Output = Result<u64>> + Send {
        async move { self.call(inner, op::Count { collection, filter, consistency }).await }
    }

    /// Around [`StorageStrategy::aggregate`].
    fn aggregate(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        aggregation: &Aggregation,
    ) -> impl Future<Output = Result<Aggregates>> + Send {
        async move { self.call(inner, op::Aggregate { collection, aggregation }).await }
    }

    /// Around [`StorageStrategy::scan`].
    fn scan(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> impl Future<Output = Result<RecordStream>> + Send {
        async move {
            let records = self.call(inner, op::Scan { collection, options }).await?;
            Ok(self.stream(inner, OperationKind::Scan, Some(collection), records))
        }
    }

    /// Around [`StorageStrategy::commit`].
    fn commit(
        &self,
        inner: &Inner,
        writes: Vec<Write>,
    ) -> impl Future<Output = Result<Vec<Written>>> + Send {
        self.call(inner, op::Commit { writes })
    }

    /// Around [`StorageStrategy::apply`].
    fn apply(
        &self,
        inner: &Inner,
        records: Vec<Record>,
    ) -> impl Future<Output = Result<Vec<Applied>>> + Send {
        self.call(inner, op::Apply { records })
    }

    /// Around [`StorageStrategy::purge`].
    fn purge(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        older_than: Timestamp,
    ) -> impl Future<Output = Result<Purged>> + Send {
        self.call(inner, op::Purge { collection, older_than })
    }

    /// Around [`StorageStrategy::state_mark`].
    fn state_mark(&self, inner: &Inner) -> impl Future<Output = Result<Option<StateMark>>> + Send {
        self.call(inner, op::StateMarkOf {})
    }

    /// Around [`StorageStrategy::oldest_transaction`].
    fn oldest_transaction(
        &self,
        inner: &Inner,
    ) -> impl Future<Output = Result<Option<OpenTransaction>>> + Send {
        self.call(inner, op::OldestTransaction {})
    }

    /// Around [`StorageStrategy::token`].
    fn token(&self, inner: &Inner) -> impl Future<Output = Result<Token>> + Send {
        self.call(inner, op::TokenOf {})
    }

    /// Around [`StorageStrategy::store_record`].
    fn store_record(&self, inner: &Inner) -> impl Future<Output = Result<StoreRecord>> + Send {
        self.call(inner, op::StoreRecord {})
    }

    /// Around [`StorageStrategy::update_store_record`].
    fn update_store_record(
        &self,
        inner: &Inner,
        update: StoreUpdate,
    ) -> impl Future<Output = Result<StoreRecord>> + Send {
        self.call(inner, op::UpdateStoreRecord { update })
    }

    /// Around [`StorageStrategy::checkpoint`].
    fn checkpoint(&self, inner: &Inner) -> impl Future<Output = Result<()>> + Send {
        self.call(inner, op::Checkpoint {})
    }

    /// Around [`StorageStrategy::health`].
    fn health(
        &self,
        inner: &Inner,
        depth: &HealthDepth,
    ) -> impl Future<Output = Result<Health>> + Send {
        self.call(inner, op::Health { depth })
    }

    /// Around [`StorageStrategy::close`].
    fn close(&self, inner: &Inner) -> impl Future<Output = Result<()>> + Send {
        self.call(inner, op::Close {})
    }

    /// Around [`StorageStrategy::changes`].
    fn changes(
        &self,
        inner: &Inner,
        after: Option<&FeedPosition>,
        most: NonZeroUsize,
    ) -> impl Future<Output = Result<Changes>> + Send {
        self.call(inner, op::Changes { after, most })
    }

    /// Around [`StorageStrategy::head`].
    fn head(&self, inner: &Inner) -> impl Future<Output = Result<FeedPosition>> + Send {
        self.call(inner, op::Head {})
    }

    /// Around [`StorageStrategy::trim_changes`].
    fn trim_changes(
        &self,
        inner: &Inner,
        through: &FeedPosition,
    ) -> impl Future<Output = Result<()>> + Send {
        self.call(inner, op::TrimChanges { through })
    }

    /// Around [`StorageStrategy::system_item`].
    fn system_item(
        &self,
        inner: &Inner,
        collection: SystemCollection,
        key: &str,
    ) -> impl Future<Output = Result<Option<String>>> + Send {
        self.call(inner, op::SystemItem { collection, key })
    }

    /// Around [`StorageStrategy::system_items`].
    fn system_items(
        &self,
        inner: &Inner,
        collection: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> impl Future<Output = Result<Vec<SystemItem>>> + Send {
        async move { self.call(inner, op::SystemItems { collection, prefix, after, most }).await }
    }

    /// Around [`StorageStrategy::write_system_items`].
    fn write_system_items(
        &self,
        inner: &Inner,
        writes: Vec<SystemWrite>,
    ) -> impl Future<Output = Result<()>> + Send {
        self.call(inner, op::WriteSystemItems { writes })
    }

    /// Around [`StorageStrategy::older_versions`].
    fn older_versions(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        of: &[OlderThan],
        most: NonZeroUsize,
    ) -> impl Future<Output = Result<Vec<OlderVersion>>> + Send {
        async move { self.call(inner, op::OlderVersions { collection, of, most }).await }
    }

    /// Around [`StorageStrategy::write_versions`].
    fn write_versions(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        writes: Vec<VersionWrite>,
    ) -> impl Future<Output = Result<Vec<Applied>>> + Send {
        self.call(inner, op::WriteVersions { collection, writes })
    }

    /// Around [`StorageStrategy::attributions`].
    fn attributions(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> impl Future<Output = Result<Vec<Option<Attribution>>>> + Send {
        async move { self.call(inner, op::Attributions { collection, of }).await }
    }

    /// Around [`StorageStrategy::scrub`].
    fn scrub(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> impl Future<Output = Result<Vec<Remnant>>> + Send {
        async move { self.call(inner, op::Scrub { collection, ids }).await }
    }
}
