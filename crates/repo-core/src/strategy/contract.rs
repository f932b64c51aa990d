//! The contract that every store keeps: [`StorageStrategy`].

use std::fmt;
use std::num::NonZeroUsize;

use async_trait::async_trait;

use crate::strategy::{
    Aggregator, Applied, Capabilities, Changes, FeedPosition, OlderThan, OlderVersion,
    OpenTransaction, PhysicalIdentity, Prepared, Purged, Record, RecordStream, Remnant,
    ScanOptions, StateMark, StoreRecord, StoreUpdate, SystemCollection, SystemItem, SystemWrite,
    UnfinishedJob, VersionWrite, never_prepared, unsupported,
};
use crate::{
    Aggregates, Aggregation, Attribution, CollectionName, CollectionSchema, Consistency, EntityId,
    Filter, GroupedBy, Health, HealthDepth, Page, Query, QueryAnalysis, Result, Timestamp, Token,
    Version, Write, Written,
};

/// One way to keep records. Object-safe; used as `Arc<dyn StorageStrategy>`.
///
/// Every method keeps the same meaning in every strategy. What a store cannot
/// do is refused with `Unsupported` or `LimitExceeded` and named in its
/// [`Capabilities`]; it is never weakened silently.
///
/// Rules for all methods:
/// - A collection that [`prepare`](Self::prepare) has not made is `NotFound`,
///   and the hint names `prepare` (see [`Action`](crate::strategy::Action)).
/// - After [`close`](Self::close) every method is `Closed`, never `Unavailable`:
///   trying again on this handle cannot help.
/// - `Conflict` is the answer to failed preconditions alone, and names each.
///   What is not ours, or was altered by another program, is `Foreign`; what the
///   driver reports and the strategy does not know is `Unexpected`, in the
///   driver's own words and with its code.
/// - Dropping a returned future may leave a write applied or not applied,
///   never half applied.
/// - No method retries, limits or times an operation: layers do (`repo-layers`).
///   A strategy waits only for what nobody outside can wait for in its place, and
///   then answers `Unavailable`: for the lock of another writer of the same
///   files (SQLite, `timeout`) or the same keys, for a free connection
///   (PostgreSQL, `pool_timeout`), for a connection to be made (`timeout`), and
///   for requests, or single items of one, that DynamoDB throttles (20 seconds in
///   sum), for requests that an object store did not answer (`retries`, and a few
///   more where it has to be known whether an object is there), and for another
///   attempt where others were faster between its own reading and writing
///   (PostgreSQL, DynamoDB and object stores, a bounded number).
#[async_trait]
pub trait StorageStrategy: fmt::Debug + Send + Sync {
    /// The name of the strategy and where this store is, for messages and to
    /// tell two stores apart: `json:/srv/data`. Holds no secret. Two handles
    /// on one store give the same text.
    fn location(&self) -> &str;

    /// What another program made and this store only reads, in words that end
    /// a sentence: `tables of another program, read as version 1: machines`.
    /// `None` for a store of ours. Such a store is open for reading only, and
    /// never the target of a migration.
    fn foreign(&self) -> Option<&str> {
        None
    }

    /// Whether the versions that this handle reads are made up: nothing that is
    /// stored says how often a record was written, and each is said to be of
    /// version 1. Such a version is never compared with a real one: who compares
    /// this store with another one does it by document. It holds no tombstones
    /// and no floors either.
    ///
    /// # Errors
    /// As for every read.
    async fn invents_versions(&self) -> Result<bool> {
        Ok(false)
    }

    /// What tells this store from others without a write, whatever it is
    /// called. `None` where nothing is known, or may be asked for.
    ///
    /// # Errors
    /// As for every read.
    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        Ok(None)
    }

    /// The unfinished job in the store's own record, read strongly over a
    /// connection or file that is opened for it: what was written to the store
    /// before the call is seen, whatever this handle kept or pooled.
    ///
    /// # Errors
    /// As for [`store_record`](Self::store_record).
    async fn unfinished_job_afresh(&self) -> Result<Option<UnfinishedJob>> {
        Ok(self.store_record().await?.job)
    }

    /// The limits and features of this store, as the handle knows it at this moment:
    /// capture that is switched on or off may change
    /// [`max_commit_keys`](Capabilities::max_commit_keys). A commit above a limit that
    /// the handle did not know yet is `LimitExceeded` as well, with nothing written.
    fn capabilities(&self) -> &Capabilities;

    /// Makes what the collections need: files, tables, indexes. What is there
    /// already stays; an index that a schema gained is added and filled.
    /// Safe to repeat. The only method that makes anything outside a
    /// collection. The schema version is recorded as given, whatever the
    /// records are:
    /// [`prepare_keeping_versions`](crate::strategy::StorageStrategyExt::prepare_keeping_versions)
    /// leaves that of records that have to be upgraded.
    ///
    /// # Errors
    /// `Unsupported` on a store opened read-only; `Foreign` when something
    /// that is not ours stands in the place, which stays unaltered;
    /// `ConfigInvalid` when a collection was prepared with another id field;
    /// `Invalid` for two schemas of one collection; `Unavailable` while another handle fills a collection since its
    /// [`prepare_for_load`](Self::prepare_for_load).
    async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>>;

    /// Like [`prepare`](Self::prepare), for who is about to fill the
    /// collections and calls `prepare` when that is done: indexes that are not
    /// there yet may be left to that call, which fills each in one go. Until
    /// then this handle answers as ever, only slower. Other handles may find a
    /// collection that this call made absent until then, and named in
    /// [`StoreRecord::loading`].
    ///
    /// # Errors
    /// As `prepare`. `Unavailable` while another handle is at work on a
    /// collection in this way; one that was killed is waited for until nothing
    /// of it can arrive any more, and then taken over, also by `prepare`.
    /// `Locked` from `apply` and `prepare` of a handle whose collection another
    /// one has taken over.
    async fn prepare_for_load(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.prepare(schemas).await
    }

    /// Brings a store of an older layout to the newest one of its strategy, and
    /// returns the layout that it was in; `None` when there is nothing to do. That
    /// may be the newest one, where a store of it lacks what newer ones have.
    /// Nothing else does it: until then a store of an older layout is
    /// used as it is, by this program and by older ones. Safe to repeat.
    ///
    /// # Errors
    /// `NotFound` when the store was never prepared; `Unsupported` on a store
    /// opened read-only. Nothing was changed then.
    async fn upgrade_layout(&self) -> Result<Option<u32>> {
        Ok(None)
    }

    /// Whether [`prepare`](Self::prepare) would make what these collections
    /// need, as far as that can be known without changing anything: what is
    /// refused here, `prepare` refuses in the same way. What cannot be known is
    /// accepted. Also answers for a handle that is open for reading only, as
    /// for one that is open for writing.
    ///
    /// # Errors
    /// As `prepare`.
    async fn check_prepare(&self, schemas: &[CollectionSchema]) -> Result<()>;

    /// The prepared collections, by name.
    async fn collections(&self) -> Result<Vec<CollectionName>>;

    /// The records of `ids` in their order, tombstones too, `None` where there is no
    /// record. Strong: sees every acknowledged write; those of other handles only as
    /// [`Capabilities::max_read_age_ms`] says. Within
    /// [`with_consistency`](crate::strategy::with_consistency) of the level given there.
    async fn get_many(
        &self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>>;

    /// One page of live entities. See [`Query`] for filter, order and paging.
    ///
    /// # Errors
    /// `Invalid` for a cursor of another query.
    async fn query(&self, collection: &CollectionName, query: &Query) -> Result<Page>;

    /// What reading one page of a query takes. The page is read for it, as
    /// [`query`](Self::query) reads it, and not answered; nothing is changed. A store counts
    /// what it looked at; this default knows what a page tells.
    ///
    /// # Errors
    /// As `query`.
    async fn analyze(&self, collection: &CollectionName, query: &Query) -> Result<QueryAnalysis> {
        Ok(QueryAnalysis::of_page(&self.query(collection, query).await?))
    }

    /// How many live entities match.
    async fn count(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64>;

    /// Groups of live entities and what is computed of each; see [`Aggregation`]. The
    /// answer is the same on every store, to the last digit. A store that groups by itself
    /// ([`Capabilities::aggregates`]) does what it does exactly, and leaves the rest to an
    /// [`Aggregator`]; this default gives it each entity that
    /// [`query`](Self::query) finds. An entity that changes meanwhile counts in its old or
    /// its new state.
    ///
    /// # Errors
    /// `LimitExceeded` for more groups than the aggregation allows, for a sum that no
    /// document can hold, and where the keys of all groups take more than 64 MiB.
    async fn aggregate(
        &self,
        collection: &CollectionName,
        aggregation: &Aggregation,
    ) -> Result<Aggregates> {
        let mut groups = Aggregator::new(collection, aggregation);
        let mut query = aggregation.query();
        loop {
            let page = self.query(collection, &query).await?;
            for entity in &page.entities {
                groups.add(&entity.document)?;
            }
            match page.next {
                Some(cursor) => query = query.after(cursor),
                None => return groups.finish(GroupedBy::Engine),
            }
        }
    }

    /// All records of a segment, live and tombstones, in the store's own
    /// order. A record that does not change while the scan runs is returned
    /// exactly once; one that changes is returned in its old or new state. One
    /// that cannot be read ends the scan with its error, or is named beside the
    /// records, as [`OnUnreadable`](crate::strategy::OnUnreadable) says.
    ///
    /// # Errors
    /// As for every read. In the stream: `Corrupt` for a record that cannot be
    /// read, or for damage that is not about one record. An error is the last
    /// item of the stream.
    async fn scan(&self, collection: &CollectionName, options: ScanOptions)
    -> Result<RecordStream>;

    /// Does all writes or none, atomically over all collections, durable when
    /// it returns. The answers stand in the order of the writes.
    ///
    /// # Errors
    /// `AlreadyExists`, `NotFound` or `Conflict` when preconditions fail, each
    /// named (see [`failed_preconditions`](crate::Error::failed_preconditions));
    /// `Invalid` for a document that breaks a rule or a key named twice;
    /// `LimitExceeded` above the limits in [`Capabilities`]. Nothing was written
    /// then. `Unavailable`:
    /// nothing was written, try again. `OutcomeUnknown`: it may have been.
    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>>;

    /// Writes each record whose version is higher than the stored one, with
    /// its own version and times. Ignores floors. Idempotent. Not atomic over
    /// records: after an error any part of them may be stored. The answers
    /// stand in the order of the records; a key may stand several times.
    ///
    /// # Errors
    /// `Invalid`, before anything is written, when a document breaks a rule of
    /// this store's schemas or limits.
    async fn apply(&self, records: Vec<Record>) -> Result<Vec<Applied>>;

    /// Removes tombstones written before `older_than`, after raising the
    /// collection's floor durably to the highest version removed. Where history is
    /// kept, tombstones stay that were written since it begins: they are a part of it.
    ///
    /// # Errors
    /// `Locked` while a migration into this store is unfinished.
    async fn purge(&self, collection: &CollectionName, older_than: Timestamp) -> Result<Purged>;

    /// A mark of the state that the store is in. Two equal ones of one handle
    /// mean that nobody committed anything in between, through whatever handle
    /// or program; two different ones mean nothing. `None` where the store
    /// cannot tell at less cost than reading everything.
    ///
    /// # Errors
    /// As for every read.
    async fn state_mark(&self) -> Result<Option<StateMark>> {
        Ok(None)
    }

    /// The oldest transaction that a fence may have to wait for, if the store can name one.
    ///
    /// # Errors
    /// As for every read.
    async fn oldest_transaction(&self) -> Result<Option<OpenTransaction>> {
        Ok(None)
    }

    /// A token of every write that was acknowledged before the call, through whatever
    /// handle: a read [`at least`](Consistency::AtLeast) of it sees them, also in another
    /// process. Reads refuse the token of another store. A store whose
    /// commits have no order that it could name gives one by which reads are strong, as
    /// this default does.
    ///
    /// # Errors
    /// As for every read. `NotFound` for a store without an id, which was never prepared;
    /// one of another program has none.
    async fn token(&self) -> Result<Token> {
        match self.store_record().await?.id {
            Some(id) => Ok(Token::new(id)),
            None => Err(never_prepared("take a token", self.location())),
        }
    }

    /// The store's own record.
    async fn store_record(&self) -> Result<StoreRecord>;

    /// Changes the store's own record, durably, and returns it.
    ///
    /// # Errors
    /// As the [`StoreUpdate`] says.
    async fn update_store_record(&self, update: StoreUpdate) -> Result<StoreRecord>;

    /// Brings the store's files into their resting form: a JSON store writes
    /// its journal back into the files, SQLite its write-ahead log. Stores
    /// without such a form do nothing.
    async fn checkpoint(&self) -> Result<()>;

    /// Whether the store can be reached and is sound, as far as `depth` says, and whether its
    /// role allows writes. Changes nothing. What is found is in the answer, not an error.
    async fn health(&self, depth: &HealthDepth) -> Result<Health>;

    /// Ends all work of this handle and gives its locks and files back. Later
    /// calls are `Unavailable`. Safe to repeat.
    async fn close(&self) -> Result<()>;

    /// What was written after a position, or since capture was switched on; at most
    /// `most` changes. Each write of `commit` and each record that `apply` stored is
    /// one, whichever handle or process did it. What is removed by
    /// [`purge`](Self::purge) is none.
    ///
    /// A write that was acknowledged before the call is in the feed, exactly once,
    /// and versions of one key never fall, unless they begin anew: where `apply` stores
    /// an older copy of what a purge removed, the copy comes last. A write that was
    /// not acknowledged, or of unknown outcome, may be there as well if it was applied.
    ///
    /// # Errors
    /// `Unsupported` unless [`Capabilities::changes`], on a store opened read-only,
    /// and for a store of a layout that keeps no changes; `NotFound` without a
    /// position while nothing is captured; for a position those of
    /// [`FeedState::start`](crate::strategy::FeedState::start).
    async fn changes(&self, _after: Option<&FeedPosition>, _most: NonZeroUsize) -> Result<Changes> {
        Err(unsupported("read the change feed", self.location()))
    }

    /// The end of the feed: every write that was acknowledged before the call lies
    /// before it.
    ///
    /// # Errors
    /// As [`changes`](Self::changes) without a position.
    async fn head(&self) -> Result<FeedPosition> {
        Err(unsupported("read the change feed", self.location()))
    }

    /// Removes the changes up to a position: older positions expire. Safe to repeat.
    ///
    /// # Errors
    /// As [`changes`](Self::changes), except that an older position is no error, and
    /// removes nothing.
    async fn trim_changes(&self, _through: &FeedPosition) -> Result<()> {
        Err(unsupported("remove old changes", self.location()))
    }

    /// An item of the engine's own; `None` where there is none. Strong.
    ///
    /// # Errors
    /// `Unsupported` unless [`Capabilities::changes`], and for a store of a layout
    /// without such items; `NotFound` for a store that was never prepared.
    async fn system_item(
        &self,
        _collection: SystemCollection,
        _key: &str,
    ) -> Result<Option<String>> {
        Err(unsupported("read the engine's own items", self.location()))
    }

    /// At most `most` items of the engine's own whose keys begin with `prefix` and come
    /// after `after`, by the UTF-8 bytes of their keys. Strong.
    ///
    /// # Errors
    /// As [`system_item`](Self::system_item).
    async fn system_items(
        &self,
        _collection: SystemCollection,
        _prefix: &str,
        _after: Option<&str>,
        _most: NonZeroUsize,
    ) -> Result<Vec<SystemItem>> {
        Err(unsupported("read the engine's own items", self.location()))
    }

    /// Changes all these items or none, durably, if each is what the caller believes
    /// it to be.
    ///
    /// # Errors
    /// `Locked` for an item that is another one by now; those of
    /// [`SystemWrite::check_all`] and of [`system_item`](Self::system_item);
    /// `Unsupported` on a store opened read-only. Nothing was written then.
    async fn write_system_items(&self, _writes: Vec<SystemWrite>) -> Result<()> {
        Err(unsupported("write the engine's own items", self.location()))
    }

    /// At most `most` of the older versions of these ids, each below the version that
    /// stands beside its id: in the order of the ids, and for one id from the newest
    /// to the oldest. Fewer than `most` are all there are. What is asked for with the
    /// version of the stored record is everything that the record replaced. An id
    /// stands at most once. Strong.
    ///
    /// # Errors
    /// `Unsupported` unless [`Capabilities::history`]; `NotFound` for a collection
    /// that was not prepared or whose history is not kept
    /// ([`no_history`](crate::strategy::no_history)).
    async fn older_versions(
        &self,
        _collection: &CollectionName,
        _of: &[OlderThan],
        _most: NonZeroUsize,
    ) -> Result<Vec<OlderVersion>> {
        Err(unsupported("read the history", self.location()))
    }

    /// Changes what is kept of older versions, durably. Idempotent, and not atomic
    /// over versions. Answers in the order of the writes: for [`VersionWrite::Add`] as
    /// [`OlderVersion::compare_to_stored`]; for [`VersionWrite::Attribute`] alike; else
    /// `Applied`, or `Equal` where there was no version to forget. What a write of a
    /// record keeps later under the same number replaces what was added.
    ///
    /// # Errors
    /// As [`older_versions`](Self::older_versions) and those of
    /// [`check_version_writes`](crate::strategy::check_version_writes); `Unsupported`
    /// on a store opened read-only.
    async fn write_versions(
        &self,
        _collection: &CollectionName,
        _writes: Vec<VersionWrite>,
    ) -> Result<Vec<Applied>> {
        Err(unsupported("change the history", self.location()))
    }

    /// Who wrote these versions, and why, in their order; `None` where nobody said so, or
    /// where the version was removed. Strong.
    ///
    /// # Errors
    /// As [`older_versions`](Self::older_versions).
    async fn attributions(
        &self,
        _collection: &CollectionName,
        _of: &[(EntityId, Version)],
    ) -> Result<Vec<Option<Attribution>>> {
        Err(unsupported("read the history", self.location()))
    }

    /// Removes what is left of the documents of some records in the store's files once
    /// the records are deleted and their versions forgotten: in kept journals, free pages
    /// and the like. What readers see stays as it is, and so do positions of the feed.
    /// Answers what still holds them, each in words that name it; expensive, up to a
    /// rewriting of all files.
    ///
    /// # Errors
    /// `Invalid` for a record that is live; `Unsupported` on a store opened read-only and
    /// of another program; `Unavailable` while others use what has to be rewritten.
    async fn scrub(&self, _collection: &CollectionName, _ids: &[EntityId]) -> Result<Vec<Remnant>> {
        Err(unsupported("scrub a record", self.location()))
    }
}
