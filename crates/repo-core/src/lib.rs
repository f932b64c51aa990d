//! One repository contract over every store.
//!
//! Start with [`Repository`], the typed face; [`StorageStrategy`] is the
//! contract that each store keeps, and [`MemoryStrategy`] its reference.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod capabilities;
pub mod config;
mod cursor;
mod deep_check;
mod document;
mod entity;
mod error;
mod file_identity;
mod filter;
mod health;
mod key;
pub mod layers;
mod memory;
mod paging;
mod physical_identity;
mod precondition;
mod query;
mod reason;
mod registry;
mod remedy;
mod repository;
mod scan;
mod schema;
mod select;
mod sort_key;
mod store_id;
mod store_record;
mod strategy;
mod strategy_ext;
mod suggestion;
mod system_limit;
mod time;
mod transaction;
mod unreadable;
mod version;
mod writable;
mod write;

pub use capabilities::Capabilities;
pub use cursor::{Cursor, Position};
pub use deep_check::check_records;
pub use document::{
    Decimal, DecimalError, Digest, Document, FieldPath, MAX_DEPTH, MAX_DIGITS, MAX_EXPONENT,
    MAX_KEY_BYTES, MIN_EXPONENT, RESERVED_KEYS, Rule, SyntaxError, Value, invalid_document,
    push_json_string,
};
pub use entity::{Entity, Record, Tombstone};
pub use error::{Error, ErrorKind, Result};
pub use file_identity::identity_of_files;
pub use filter::{Comparison, Filter, Pattern, Predicate};
pub use health::{Health, HealthCheck, HealthDepth, HealthProgress};
pub use key::{CollectionName, EntityId, Key, MAX_COLLECTION_NAME_BYTES, MAX_ID_CHARS};
pub use memory::{MemoryFactory, MemoryStrategy};
pub use physical_identity::{PhysicalIdentity, Sameness};
pub use precondition::{FailedPrecondition, Precondition};
pub use query::{
    Consistency, DEFAULT_PAGE_SIZE, Direction, MAX_PAGE_SIZE, Order, Page, Plan, Query,
};
pub use reason::plain_reason;
pub use registry::{OpenOptions, Registry, StrategyFactory};
pub use remedy::Remedy;
pub use repository::{Model, Repository, StoreRepository, Stored};
pub use scan::{OnUnreadable, RecordStream, ScanOptions, Scanned, Segment, base64_of, read_ahead};
pub use schema::{
    CollectionSchema, ConvertTo, DEFAULT_MAX_ENTITY_BYTES, DocumentValidator, Field, FieldKind,
    MAX_INDEXED_TEXT_BYTES, Schemas, Upgrade, UpgradeFunction, UpgradePath, UpgradeStep, Upgrades,
};
pub use select::Selector;
pub use sort_key::{SortKey, SortValue};
pub use store_id::StoreId;
pub use store_record::{
    CollectionState, MigrationState, StoreRecord, StoreUpdate, check_migration, check_new_id,
    check_purge,
};
pub use strategy::{
    PrepareChange, Prepared, Purged, StateMark, StorageStrategy, never_prepared, not_prepared,
};
pub use strategy_ext::StorageStrategyExt;
pub use suggestion::{did_you_mean, suggestion_before};
pub use system_limit::SystemLimit;
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use transaction::{RetryPolicy, Transaction, transaction};
pub use unreadable::Unreadable;
pub use version::Version;
pub use writable::check_writable;
pub use write::{Applied, Change, Write, Written, check_distinct_keys};
