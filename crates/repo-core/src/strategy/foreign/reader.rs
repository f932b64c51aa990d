//! What has to be done so that what another program keeps can be read.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::strategy::{
    OnUnreadable, PhysicalIdentity, Record, RecordStream, ScanOptions, Segment, StateMark,
};
use crate::{CollectionName, Consistency, EntityId, Error, HealthCheck, Result};

/// Reads what another program keeps as records, each of version 1. Used through
/// [`ForeignStrategy`](super::ForeignStrategy), which only asks for collections that are
/// there.
#[async_trait]
pub trait ForeignReader: fmt::Debug + Send + Sync {
    /// See [`location`](crate::strategy::StorageStrategy::location).
    fn location(&self) -> &str;

    /// What it is, in words that end a sentence.
    fn words(&self) -> &str;

    /// The collections, each with the version of its schema.
    fn collections(&self) -> BTreeMap<CollectionName, u32>;

    /// Why a collection is not there, and what can be done.
    fn unknown(&self, operation: &'static str, collection: &CollectionName) -> Error;

    /// # Errors
    /// `Closed` once the reader is closed.
    fn check_open(&self, operation: &'static str) -> Result<()>;

    /// See [`physical_identity`](crate::strategy::StorageStrategy::physical_identity).
    ///
    /// # Errors
    /// As for every read.
    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>>;

    /// Batches of records in an order of the reader's own that is the same each time,
    /// none of them empty.
    ///
    /// # Errors
    /// As for every read, and in the stream as for
    /// [`scan`](crate::strategy::StorageStrategy::scan). `Invalid` for an id to begin
    /// behind that cannot be there.
    async fn batches(
        &self,
        operation: &'static str,
        collection: &CollectionName,
        from: ReadFrom,
    ) -> Result<RecordStream>;

    /// The records of some ids, in any order; none where there is no record.
    ///
    /// # Errors
    /// As for every read.
    async fn get(&self, collection: &CollectionName, ids: &[EntityId]) -> Result<Vec<Record>>;

    /// How many records there are.
    ///
    /// # Errors
    /// As for every read.
    async fn count(&self, collection: &CollectionName, consistency: Consistency) -> Result<u64>;

    /// See [`state_mark`](crate::strategy::StorageStrategy::state_mark).
    ///
    /// # Errors
    /// As for every read.
    async fn state_mark(&self) -> Result<Option<StateMark>> {
        Ok(None)
    }

    /// Whether it can be read.
    ///
    /// # Errors
    /// As for every read, where not even that can be said.
    async fn health(&self) -> Result<Vec<HealthCheck>>;

    /// Gives connections and files back.
    async fn close(&self);
}

/// Where reading begins, and how much is read at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadFrom {
    /// The id of the record behind which it begins; `None` for the first one.
    pub after: Option<EntityId>,
    /// Which part.
    pub segment: Segment,
    /// Most records in one batch.
    pub most: usize,
    /// What is done with a record that cannot be read.
    pub on_unreadable: OnUnreadable,
    /// Whether every write has to be seen that was acknowledged before.
    pub consistency: Consistency,
}

impl ReadFrom {
    /// All of it, a thousand records at a time, up to the first that cannot be read.
    #[must_use]
    pub fn start(consistency: Consistency) -> Self {
        let options = ScanOptions::default().with_consistency(consistency);
        Self::scan(options, OnUnreadable::Fail)
    }

    /// What a scan asks for.
    #[must_use]
    pub fn scan(options: ScanOptions, on_unreadable: OnUnreadable) -> Self {
        Self {
            after: None,
            segment: options.segment,
            most: options.batch_size.get(),
            on_unreadable,
            consistency: options.consistency,
        }
    }

    /// The same behind a record.
    #[must_use]
    pub fn behind(self, after: Option<EntityId>) -> Self {
        Self { after, ..self }
    }
}
