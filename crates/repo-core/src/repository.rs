//! The typed face of a store: [`Repository`].

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::{
    Aggregates, Aggregation, Consistency, EntityId, Filter, Model, Query, Result, Stored, Version,
};

/// A repository of one kind of entity, over whatever store is configured.
/// Object-safe for a given `E`, so that callers can hold
/// `Arc<dyn Repository<E>>` and tests can put their own in its place.
#[async_trait]
pub trait Repository<E: Model>: Send + Sync {
    /// Stores a value whether or not it is there. Returns its version.
    async fn save(&self, value: &E) -> Result<Version>;

    /// Stores a new value.
    ///
    /// # Errors
    /// `AlreadyExists` when it is there.
    async fn create(&self, value: &E) -> Result<Version>;

    /// Stores what was read and [changed](Stored::changed) over the version that
    /// was read.
    ///
    /// # Errors
    /// `NotFound` when it is not there, `Conflict` when it has another version.
    async fn update(&self, stored: &Stored<E>) -> Result<Version> {
        self.update_version(&stored.value, stored.version).await
    }

    /// Stores a value over the expected version.
    ///
    /// # Errors
    /// `NotFound` when it is not there, `Conflict` when it has another version.
    async fn update_version(&self, value: &E, expected: Version) -> Result<Version>;

    /// Deletes what was read, if it still has the version that was read.
    ///
    /// # Errors
    /// `NotFound` when it is not there, `Conflict` when it has another version.
    async fn delete(&self, stored: &Stored<E>) -> Result<()> {
        self.delete_version(&stored.id, stored.version).await
    }

    /// Deletes the value of the expected version.
    ///
    /// # Errors
    /// `NotFound` when it is not there, `Conflict` when it has another version.
    async fn delete_version(&self, id: &EntityId, expected: Version) -> Result<()>;

    /// The value, or `None`. Sees every acknowledged write.
    async fn find_by_id(&self, id: &EntityId) -> Result<Option<Stored<E>>>;

    /// The values of `ids` in their order, `None` where there is none. Sees every
    /// acknowledged write.
    async fn find_many(&self, ids: &[EntityId]) -> Result<Vec<Option<Stored<E>>>>;

    /// Every value, streamed page by page.
    fn find_all(&self) -> BoxStream<'_, Result<Stored<E>>>;

    /// Every value that the query matches, streamed page by page; with a limit
    /// at most that many.
    fn find_by_criteria(&self, query: Query) -> BoxStream<'_, Result<Stored<E>>>;

    /// Whether it is there. Sees every acknowledged write.
    async fn exists(&self, id: &EntityId) -> Result<bool>;

    /// How many values match.
    async fn count(&self, filter: &Filter, consistency: Consistency) -> Result<u64>;

    /// Groups of values, and what is computed of each.
    ///
    /// # Errors
    /// `LimitExceeded` for more groups than are allowed, and for a sum that no document can
    /// hold.
    async fn aggregate(&self, aggregation: &Aggregation) -> Result<Aggregates>;

    /// Stores all values or none. Returns their versions in order.
    ///
    /// # Errors
    /// `LimitExceeded` above the store's limits for one commit.
    async fn save_batch(&self, values: &[E]) -> Result<Vec<Version>>;

    /// Deletes all that are there, atomically. Returns how many were.
    ///
    /// # Errors
    /// `LimitExceeded` above the store's limits for one commit.
    async fn delete_batch(&self, ids: &[EntityId]) -> Result<u64>;
}
