//! What a dialect has to do so that tables of another program can be read.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{PhysicalIdentity, Record, StateMark};
use repo_core::{EntityId, HealthCheck, Result};

use super::document::Place;
use super::records::Records;
use super::table::Table;

/// Reads rows as records. Object-safe, so that the strategy over it is one for
/// all dialects.
#[async_trait]
pub(crate) trait TableReader: fmt::Debug + Send + Sync {
    /// Where the database is; without user and password.
    fn location(&self) -> &str;

    /// # Errors
    /// `Closed` once the reader is closed.
    fn check_open(&self, operation: &'static str) -> Result<()>;

    /// See [`physical_identity`](repo_core::strategy::StorageStrategy::physical_identity).
    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>>;

    /// Up to `most` rows behind `after`, in the order that the database
    /// gives ids. Fewer than `most` are the last ones.
    async fn after(
        &self,
        operation: &'static str,
        table: &Arc<Table>,
        after: Option<&EntityId>,
        most: usize,
    ) -> Result<Records>;

    /// The records of some ids, at most [`IDS_AT_ONCE`](super::IDS_AT_ONCE),
    /// in any order; none where there is no row.
    async fn of_ids(&self, table: &Arc<Table>, ids: &[EntityId]) -> Result<Vec<Record>>;

    /// How many rows the table has.
    async fn count(&self, table: &Arc<Table>) -> Result<u64>;

    /// Where a row without an id is, if there is one. The order of ids does
    /// not lead to it in every database.
    async fn without_id(
        &self,
        operation: &'static str,
        table: &Arc<Table>,
    ) -> Result<Option<Place>>;

    /// See [`state_mark`](repo_core::strategy::StorageStrategy::state_mark).
    async fn state_mark(&self) -> Result<Option<StateMark>> {
        Ok(None)
    }

    /// Whether the database answers.
    async fn health(&self) -> HealthCheck;

    /// Gives connections back.
    async fn close(&self);
}
