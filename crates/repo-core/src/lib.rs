//! One repository contract over every store.
//!
//! Programs that keep entities need only what stands at the top of this crate, and
//! open their store with `repo-engine`. Authors of strategies and of layers find
//! the contract and all it exchanges in [`strategy`].
//!
//! # A tour
//!
//! A **document** is a JSON object, checked once and kept as text, with exact
//! numbers. A **collection** is a named set of documents of one schema. A document
//! with its id, version and times is an **entity**. The same calls, answers and
//! errors hold on every store; here it is the one in memory.
//!
//! ```
//! use std::sync::Arc;
//!
//! use repo_core::strategy::{OpenOptions, StorageStrategy, StorageStrategyExt};
//! use repo_core::{
//!     CollectionSchema, Consistency, Document, ErrorKind, Key, MemoryStrategy, Precondition,
//!     Query, RetryPolicy, Write, field, transaction,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> repo_core::Result<()> {
//! // A collection is declared, and then made in the store.
//! let schema = CollectionSchema::builder("machines", "id").index(&["status"]).build()?;
//! let machines = schema.collection.clone();
//! let mut options = OpenOptions::default();
//! options.schemas = Arc::new([schema.clone()].into_iter().collect());
//! let store: Arc<dyn StorageStrategy> = Arc::new(MemoryStrategy::new(options));
//! store.prepare(&[schema]).await?;
//!
//! // Each write has a condition and gives the entity its next version.
//! let key = Key::new(machines.clone(), "m-1".parse()?);
//! let new = Document::parse(r#"{"id": "m-1", "status": "new", "price": 0.10}"#)?;
//! let first = store.create(key.clone(), new).await?;
//! let up = Document::parse(r#"{"id": "m-1", "status": "up", "price": 0.10}"#)?;
//! let second = store.update(key.clone(), up.clone(), first.version).await?;
//! assert_eq!(second.version.get(), 2);
//!
//! // A condition that does not hold is an error that names it; nothing was written.
//! let late = store.update(key.clone(), up, first.version).await.unwrap_err();
//! assert_eq!(late.kind(), ErrorKind::Conflict);
//! assert_eq!(late.failed_preconditions()[0].actual, Some(second.version));
//!
//! // Writes to several keys are all done, or none.
//! let other = Key::new(machines.clone(), "m-2".parse()?);
//! let document = Document::parse(r#"{"id": "m-2", "status": "up"}"#)?;
//! store
//!     .commit(vec![
//!         Write::put(other, document, Precondition::Absent),
//!         Write::check(key.clone(), Precondition::Version(second.version)),
//!     ])
//!     .await?;
//!
//! // A query asks for entities by their fields, page by page.
//! let query = Query::new(field("status").eq("up").filter()?).order_by("id")?.strong();
//! let page = store.query(&machines, &query).await?;
//! assert_eq!(page.entities.len(), 2);
//!
//! // A transaction checks what it read, and runs again when that has changed.
//! transaction(&store, RetryPolicy::default(), async |tx| {
//!     if tx.get(&key).await?.is_some() {
//!         tx.delete(key.clone());
//!     }
//!     Ok(())
//! })
//! .await?;
//!
//! // A deleted entity leaves a tombstone, so that no version comes twice.
//! let up = field("status").eq("up").filter()?;
//! assert_eq!(store.count(&machines, &up, Consistency::Strong).await?, 1);
//! let again = Document::parse(r#"{"id": "m-1"}"#)?;
//! assert_eq!(store.create(key, again).await?.version.get(), 4);
//! # Ok(())
//! # }
//! ```
//!
//! # What to decide by
//!
//! [`ErrorKind`] says what a caller may do next; [`Error::is_retryable`] whether the
//! same call may be made again. Limits and features of a store are its
//! [`Capabilities`](strategy::Capabilities): what it cannot do is refused in words,
//! never weakened.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod aggregate;
mod analysis;
mod attempts;
mod attribution;
mod consistency;
mod cursor;
mod document;
mod entity;
mod entity_query;
mod error;
mod filter;
mod health;
mod key;
mod memory;
mod model;
mod paging;
mod precondition;
mod query;
mod query_shape;
mod remedy;
mod repository;
mod required;
mod schema;
mod store_repository;
pub mod strategy;
mod time;
mod token;
mod transaction;
mod version;
mod write;

pub use aggregate::{
    AggregateFunction, AggregateValue, Aggregates, Aggregation, DEFAULT_MAX_GROUPS, Extreme,
    GroupRow, GroupedBy, MAX_AGGREGATE_FUNCTIONS, MAX_GROUP_FIELDS, MAX_GROUPS,
};
pub use analysis::{Access, QueryAnalysis};
pub use attempts::{RetryPolicy, TransactionAttempts, transaction};
pub use attribution::Attribution;
pub use consistency::Consistency;
pub use cursor::Cursor;
pub use document::{
    Decimal, DecimalError, Digest, Document, FieldPath, MAX_DEPTH, MAX_DIGITS, MAX_EXPONENT,
    MAX_KEY_BYTES, MIN_EXPONENT, Rule, SyntaxError, Value,
};
pub use entity::Entity;
pub use entity_query::EntityQuery;
pub use error::{Error, ErrorKind, Result};
pub use filter::{Comparison, Condition, FieldCondition, Filter, Pattern, Predicate, field};
pub use health::{Health, HealthCheck, HealthDepth, HealthProgress};
pub use key::{CollectionName, EntityId, Key, MAX_COLLECTION_NAME_BYTES, MAX_ID_CHARS};
pub use memory::MemoryStrategy;
pub use model::{Model, Stored};
pub use precondition::{FailedPrecondition, Precondition};
pub use query::{DEFAULT_PAGE_SIZE, Direction, MAX_PAGE_SIZE, Order, Page, Plan, Query};
pub use query_shape::{QueryShape, RecordedQueries};
pub use remedy::Remedy;
pub use repository::Repository;
pub use schema::{
    ChildSource, CollectionSchema, CollectionSchemaBuilder, ConvertTo, DEFAULT_MAX_ENTITY_BYTES,
    EntryPointer, EntryStep, Expiry, Field, FieldKind, FilePattern, FileSource, OnDuplicate,
    Schemas, SourceEntries, SourceId, Upgrade, UpgradeFunction, UpgradePath, UpgradeStep, Upgrades,
};
pub use store_repository::StoreRepository;
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use token::Token;
pub use transaction::Transaction;
pub use version::Version;
pub use write::{Change, Write, Written};
