//! The layer that keeps what has passed out of sight.

use std::future::ready;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{Record, RecordStream, ScanOptions, Tombstone};
use repo_core::{
    Aggregates, Aggregation, Clock, CollectionName, Consistency, Entity, EntityId, Expiry, Filter,
    Page, Query, QueryAnalysis, Result, Schemas, Timestamp, Write, Written,
};

use super::commit::commit;
use super::rules::Rules;
use crate::{Inner, Layer};

/// Makes entities absent once their time to live has passed, whether or not they have been
/// [swept](crate::sweep).
///
/// Of the collections whose schema names a [`ttlField`](repo_core::Expiry):
///
/// - reads of every kind leave out what has passed by the clock of this handle; those of records
///   show the tombstone that the sweeper leaves, so that a copy of them lets no version fall;
/// - writes find it absent: an insert is a new entity, whose version is higher than that of the
///   old one and whose `created_at` is its own; an update, a check and a delete by its version
///   are refused as if it had been swept. The layer deletes it for that, in a commit before;
/// - a put whose field holds anything but a time or null is `Invalid`.
///
/// What copies records sees what is stored: [`apply`](repo_core::strategy::StorageStrategy::apply),
/// the change feed, histories, and everything within
/// [`as_stored`](repo_core::strategy::as_stored).
///
/// Reads by id cost nothing more. Queries, counts and aggregations carry one comparison more; an
/// index of the field serves it where the store chooses so. A commit reads its keys once more
/// before it, but for those that it inserts.
///
/// A cache stands within the layer, since what it keeps may pass while it is kept.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use repo_core::strategy::{OpenOptions, StorageStrategy as _, StorageStrategyExt as _};
/// use repo_core::{CollectionSchema, Document, FieldKind, Key, ManualClock, MemoryStrategy};
/// use repo_core::{Schemas, Timestamp};
/// use repo_layers::{ExpiryLayer, Inner, Layer as _, SweepOptions, sweep};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> repo_core::Result<()> {
/// let schema = CollectionSchema::builder("sessions", "id")
///     .field("expires_at", FieldKind::Text, true)
///     .ttl_field("expires_at")
///     .build()?;
/// let schemas = Schemas::from_iter([schema.clone()]);
/// let clock = Arc::new(ManualClock::new(Timestamp::parse("2026-03-01T08:00:00Z")?));
/// let store: Inner = Arc::new(MemoryStrategy::new(OpenOptions::default()));
/// let store = match ExpiryLayer::of(&schemas, clock.clone()) {
///     Some(layer) => layer.around(store),
///     None => store,
/// };
/// store.prepare(&[schema]).await?;
///
/// let key = Key::new("sessions".parse()?, "s".parse()?);
/// let session = Document::parse(r#"{"id": "s", "expires_at": "2026-03-01T09:00:00Z"}"#)?;
/// store.create(key.clone(), session).await?;
/// clock.advance(Duration::from_secs(3_600));
/// assert!(store.get(&key.collection, &key.id).await?.is_none());
///
/// let swept = sweep(&*store, &schemas, &*clock, &SweepOptions::default()).await?;
/// assert_eq!(swept[0].removed, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ExpiryLayer(Rules);

impl ExpiryLayer {
    /// The layer for these collections; `None` where none of them has a time to live.
    #[must_use]
    pub fn of(schemas: &Schemas, clock: Arc<dyn Clock>) -> Option<Self> {
        Rules::of(schemas, clock).map(Self)
    }

    /// The moment that a query speaks of: that of its first page, since a page after it has to
    /// ask the same.
    fn asked(&self, expiry: &Expiry, query: &Query) -> (Query, Timestamp, Timestamp) {
        let now = self.0.now();
        let moment = query.cursor().and_then(repo_core::Cursor::moment).unwrap_or(now);
        let filter = narrowed(query.filter(), expiry, moment);
        (query.clone().with_filter(filter), moment, now)
    }
}

/// What matches a filter and has not passed.
fn narrowed(filter: &Filter, expiry: &Expiry, now: Timestamp) -> Filter {
    let living = expiry.not_passed(now);
    if filter.is_all() { living } else { Filter::And(vec![filter.clone(), living]) }
}

/// A record as readers see it: in the place of an entity that has passed stands the tombstone that
/// the sweeper leaves, with the version that the next one of the id counts on from.
fn as_seen(record: Record, expiry: &Expiry, is_over: &Filter) -> Result<Record> {
    match record {
        Record::Live(entity) if is_over.matches(&entity.document) => {
            let deleted_at = expiry.time(&entity.document).unwrap_or(entity.updated_at);
            let version = entity.version.next()?;
            let Entity { collection, id, .. } = entity;
            Ok(Record::Tombstone(Tombstone { collection, id, version, deleted_at }))
        }
        other => Ok(other),
    }
}

impl Layer for ExpiryLayer {
    async fn get_many(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        let records = inner.get_many(collection, ids).await?;
        let Some(expiry) = self.0.expiry(collection) else { return Ok(records) };
        let is_over = expiry.passed(self.0.now());
        let seen = |found: Option<Record>| {
            found.map(|record| as_seen(record, expiry, &is_over)).transpose()
        };
        records.into_iter().map(seen).collect()
    }

    async fn query(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        query: &Query,
    ) -> Result<Page> {
        let Some(expiry) = self.0.expiry(collection) else {
            return inner.query(collection, query).await;
        };
        let (asked, moment, now) = self.asked(expiry, query);
        let mut page = inner.query(collection, &asked).await?;
        page.next = page.next.map(|cursor| cursor.at_moment(moment));
        if moment < now {
            // What passed since the first page.
            let is_over = expiry.passed(now);
            page.entities.retain(|entity| !is_over.matches(&entity.document));
        }
        Ok(page)
    }

    async fn analyze(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        query: &Query,
    ) -> Result<QueryAnalysis> {
        match self.0.expiry(collection) {
            None => inner.analyze(collection, query).await,
            Some(expiry) => inner.analyze(collection, &self.asked(expiry, query).0).await,
        }
    }

    async fn count(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        match self.0.expiry(collection) {
            None => inner.count(collection, filter, consistency).await,
            Some(expiry) => {
                let living = narrowed(filter, expiry, self.0.now());
                inner.count(collection, &living, consistency).await
            }
        }
    }

    async fn aggregate(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        aggregation: &Aggregation,
    ) -> Result<Aggregates> {
        match self.0.expiry(collection) {
            None => inner.aggregate(collection, aggregation).await,
            Some(expiry) => {
                let living = narrowed(aggregation.filter(), expiry, self.0.now());
                inner.aggregate(collection, &aggregation.clone().with_filter(living)).await
            }
        }
    }

    async fn scan(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        let records = inner.scan(collection, options).await?;
        let Some(expiry) = self.0.expiry(collection).cloned() else { return Ok(records) };
        let clock = self.0.clock();
        let seen = records.and_then(move |mut batch| {
            let is_over = expiry.passed(clock.now());
            let records = std::mem::take(&mut batch.records).into_iter();
            let seen: Result<Vec<Record>> =
                records.map(|record| as_seen(record, &expiry, &is_over)).collect();
            ready(seen.map(|records| {
                batch.records = records;
                batch
            }))
        });
        Ok(seen.boxed())
    }

    async fn commit(&self, inner: &Inner, writes: Vec<Write>) -> Result<Vec<Written>> {
        commit(&self.0, inner, writes).await
    }
}
