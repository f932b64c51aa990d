//! One repository contract over every store.
//!
//! Programs that keep entities start with [`Repository`] and need only what
//! stands at the top of this crate. Authors of strategies and of layers find the
//! contract and all it exchanges in [`strategy`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod config;
mod cursor;
mod document;
mod entity;
mod entity_query;
mod error;
mod filter;
mod health;
mod key;
pub mod layers;
mod memory;
mod model;
mod paging;
mod precondition;
mod query;
mod remedy;
mod repository;
mod schema;
mod store_repository;
pub mod strategy;
mod time;
mod transaction;
mod version;
mod write;

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
pub use query::{
    Consistency, DEFAULT_PAGE_SIZE, Direction, MAX_PAGE_SIZE, Order, Page, Plan, Query,
};
pub use remedy::Remedy;
pub use repository::Repository;
pub use schema::{
    CollectionSchema, CollectionSchemaBuilder, ConvertTo, DEFAULT_MAX_ENTITY_BYTES, Field,
    FieldKind, Schemas, Upgrade, UpgradeFunction, UpgradePath, UpgradeStep, Upgrades,
};
pub use store_repository::StoreRepository;
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use transaction::{RetryPolicy, Transaction, TransactionAttempts, transaction};
pub use version::Version;
pub use write::{Change, Write, Written};
