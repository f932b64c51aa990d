//! What a store answers, in a form that two stores can be compared by.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::TryStreamExt as _;
use repo_core::strategy::{
    Applied, CollectionState, HistoryState, OlderThan, OlderVersion, Purged, Record, ScanOptions,
    Segment, StoreRecord, StoreUpdate, UnfinishedJob, VersionWrite,
};
use repo_core::{
    Aggregation, Attribution, CollectionName, Consistency, Entity, Error, ErrorKind, Filter,
    GroupRow, Key, Precondition, Query, Result, Timestamp, Version, Write, Written,
};

use super::past;
use crate::Store;

/// A call on a store, with all versions and times filled in.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Get(CollectionName, Vec<repo_core::EntityId>),
    Commit(Vec<Write>),
    Query(CollectionName, Query),
    Count(CollectionName, Filter),
    Aggregate(CollectionName, Aggregation),
    Apply(Vec<Record>),
    Purge(CollectionName, Timestamp),
    Update(StoreUpdate),
    Scan(CollectionName, NonZeroUsize, NonZeroUsize),
    Versions(CollectionName, Vec<OlderThan>, NonZeroUsize),
    WriteVersions(CollectionName, Vec<VersionWrite>),
    AsOf(CollectionName, Timestamp),
    Checkpoint,
}

/// An answer without what may differ: order where none was asked for, how
/// pages are cut, the words of errors.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Records(Vec<Option<Record>>),
    Entities(Vec<Entity>),
    /// What was found, and who wrote it and the stored versions.
    Versions(Vec<OlderVersion>, Vec<Option<Attribution>>),
    Written(Vec<Written>),
    Applied(Vec<Applied>),
    Count(u64),
    Groups(Vec<GroupRow>),
    Purged(u64, u64),
    State(
        Vec<(CollectionName, CollectionState)>,
        Option<UnfinishedJob>,
        Vec<(CollectionName, HistoryState)>,
    ),
    Changes(Vec<Change>),
    Done,
    Failed(ErrorKind, Vec<(String, Precondition, Option<Version>)>),
}

/// A change of the feed: key, version, whether it deleted, the record that is stored,
/// and whether that is of this version.
pub(super) type Change = (Key, Version, bool, Option<Record>, bool);

/// Makes the call and puts the answer into its comparable form.
pub(super) async fn ask(store: &Store, call: &Call) -> Answer {
    answer(store, call).await.unwrap_or_else(|error| failed(&error))
}

pub(super) fn failed(error: &Error) -> Answer {
    let mut failures: Vec<_> = error
        .failed_preconditions()
        .iter()
        .map(|f| (f.key.to_string(), f.expected, f.actual))
        .collect();
    failures.sort_by(|a, b| a.0.cmp(&b.0));
    Answer::Failed(error.kind(), failures)
}

async fn answer(store: &Store, call: &Call) -> Result<Answer> {
    Ok(match call {
        Call::Get(name, ids) => Answer::Records(store.get_many(name, ids).await?),
        Call::Commit(writes) => Answer::Written(store.commit(writes.clone()).await?),
        Call::Query(name, query) => Answer::Entities(pages(store, name, query).await?),
        Call::Count(name, filter) => {
            Answer::Count(store.count(name, filter, Consistency::Strong).await?)
        }
        Call::Aggregate(name, asked) => Answer::Groups(store.aggregate(name, asked).await?.rows),
        Call::Apply(records) => Answer::Applied(store.apply(records.clone()).await?),
        Call::Purge(name, older_than) => {
            let Purged { removed, floor, .. } = store.purge(name, *older_than).await?;
            Answer::Purged(removed, floor)
        }
        Call::Update(update) => {
            let record = store.update_store_record(update.clone()).await?;
            state(record)
        }
        Call::Scan(name, segments, batch) => {
            Answer::Records(scanned(store, name, *segments, *batch).await?.map(Some).collect())
        }
        Call::Versions(name, of, most) => {
            let found = store.older_versions(name, of, *most).await?;
            let by = past::attributions(store, name, of, &found).await?;
            Answer::Versions(found, by)
        }
        Call::WriteVersions(name, writes) => {
            Answer::Applied(store.write_versions(name, writes.clone()).await?)
        }
        Call::AsOf(name, at) => Answer::Entities(past::as_of(store, name, *at).await?),
        Call::Checkpoint => {
            store.checkpoint().await?;
            Answer::Done
        }
    })
}

/// What a store's own record says, without what is the strategy's own.
fn state(record: StoreRecord) -> Answer {
    let history = record.history.into_iter().collect();
    Answer::State(record.collections.into_iter().collect(), record.job, history)
}

/// All pages of a query; without an order by id.
async fn pages(store: &Store, name: &CollectionName, query: &Query) -> Result<Vec<Entity>> {
    let mut entities = Vec::new();
    let mut page = store.query(name, query).await?;
    loop {
        assert!(page.entities.len() <= query.page_size(), "a page above its limit");
        entities.append(&mut page.entities);
        let Some(cursor) = page.next else { break };
        page = store.query(name, &query.clone().after(cursor)).await?;
    }
    if query.order().is_none() {
        entities.sort_by(|a, b| a.id.cmp(&b.id));
    }
    Ok(entities)
}

/// All segments of a scan, by id.
async fn scanned(
    store: &Store,
    name: &CollectionName,
    segments: NonZeroUsize,
    batch_size: NonZeroUsize,
) -> Result<impl Iterator<Item = Record> + use<>> {
    let mut records = Vec::new();
    for segment in Segment::split(segments) {
        let options = ScanOptions::default()
            .with_segment(segment)
            .with_batch_size(batch_size)
            .with_consistency(Consistency::Strong);
        let mut batches = Arc::clone(store).scan(name, options).await?;
        while let Some(batch) = batches.try_next().await? {
            let batch = batch.into_records()?;
            assert!(!batch.is_empty() && batch.len() <= batch_size.get(), "a batch out of bounds");
            records.extend(batch);
        }
    }
    records.sort_by(|a, b| a.id().cmp(b.id()));
    Ok(records.into_iter())
}

/// Everything that a store holds: each collection's records, and the store's
/// own record without the layout, which is the strategy's own.
pub(super) async fn everything(store: &Store) -> Result<(Vec<Record>, Answer)> {
    let mut records = Vec::new();
    for name in store.collections().await? {
        let batch = NonZeroUsize::MIN.saturating_add(99);
        records.extend(scanned(store, &name, NonZeroUsize::MIN, batch).await?);
    }
    let record = store.store_record().await?;
    let state = state(record);
    Ok((records, state))
}
