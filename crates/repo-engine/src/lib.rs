//! The entrance for programs that keep entities: open a store by its URL, and use
//! it through types.
//!
//! ```
//! use repo_engine::{Direction, Model, Repository, Schemas, Store, field};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Model)]
//! #[model(collection = "machines", id = "machine_id", index("status", "created_at"))]
//! struct Machine {
//!     machine_id: String,
//!     status: String,
//!     created_at: String,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> repo_engine::Result<()> {
//! # let folder = tempfile::tempdir().map_err(|e| repo_engine::Error::new(repo_engine::ErrorKind::Unavailable, "test", e.to_string()))?;
//! # let url = format!("sqlite:{}", folder.path().join("app.db").display());
//! # /*
//! let url = "sqlite:app.db";
//! # */
//! let schemas = Schemas::default().with::<Machine>()?;
//! let store = Store::open(url).schemas(schemas).await?;
//! let machines = store.repository::<Machine>()?;
//!
//! let machine = Machine {
//!     machine_id: "m-1".to_owned(),
//!     status: "running".to_owned(),
//!     created_at: "2026-03-01T08:00:00Z".to_owned(),
//! };
//! let version = machines.create(&machine).await?;
//! assert_eq!(version.get(), 1);
//!
//! let running = machines
//!     .query(field("status").eq("running"))
//!     .order_by("created_at", Direction::Descending)
//!     .limit(10)
//!     .try_collect()
//!     .await?;
//! assert_eq!(running[0].value.machine_id, "m-1");
//!
//! // Reads what it changes; runs again when somebody else was quicker.
//! store
//!     .transaction(async |tx| {
//!         let machine = tx.get::<Machine>("m-1").await?;
//!         tx.update(&machine.changed(|m| m.status = "stopped".to_owned())).await
//!     })
//!     .await?;
//!
//! // Over the version that was read: a conflict if it is another one by now.
//! if let Some(stored) = machines.get("m-1").await? {
//!     assert_eq!((stored.value.status.as_str(), stored.version.get()), ("stopped", 2));
//!     machines.update(&stored.changed(|m| m.status = "running".to_owned())).await?;
//! }
//! store.close().await
//! # }
//! ```
//!
//! Another store is another URL: `json:data`, `postgresql://user@host/name`,
//! `dynamodb:prefix`, `memory:`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod chosen;
#[cfg(feature = "config")]
pub mod config;
mod enforced;
#[cfg(feature = "config")]
mod host_factory;
#[cfg(all(feature = "json", feature = "files"))]
mod json_files;
mod left_out;
mod open;
#[cfg(feature = "config")]
pub mod presets;
mod registry;
mod routes;
mod store;
mod transaction;

pub use chosen::Chosen;
pub use open::OpenStore;
pub use registry::registry;
pub use store::Store;
pub use transaction::{Tracked, Transaction};

pub use repo_core::{
    AggregateFunction, AggregateValue, Aggregates, Aggregation, Clock, CollectionName,
    CollectionSchema, CollectionSchemaBuilder, Comparison, Condition, Consistency, Cursor, Decimal,
    Direction, Document, Entity, EntityId, EntityQuery, Error, ErrorKind, Extreme,
    FailedPrecondition, Field, FieldCondition, FieldKind, FieldPath, Filter, GroupRow, GroupedBy,
    Health, HealthDepth, Key, ManualClock, MemoryStrategy, Model, Order, Page, Pattern, Plan,
    Precondition, Predicate, Query, Repository, Result, RetryPolicy, Schemas, StoreRepository,
    Stored, SystemClock, Timestamp, Token, Value, Version, Write, Written, field, strategy,
};
#[doc(inline)]
pub use repo_derive::Model;
/// Leases in the store; [`Store::leases`] gives those of one that is open.
#[cfg(feature = "leases")]
pub use repo_lease as leases;

/// Writes in two stores: both have theirs in the end, or neither. A pair is made of two
/// [strategies](Store::strategy).
#[cfg(feature = "across")]
pub use repo_across as across;

/// Compiles the examples of the guide.
#[cfg(all(doctest, feature = "config"))]
#[doc = include_str!("../../../docs/guide/embedding.md")]
struct EmbeddingGuide;
