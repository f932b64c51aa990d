//! The SQL storage strategy: SQLite and PostgreSQL.
//!
//! `layout`, `ddl` and `filter` are one code for both; what differs between
//! the dialects stands in [`Dialect`]: definitions in `dialect`, looks into
//! documents in `expression`. `sqlite` and `postgres` hold what belongs to one
//! alone: connections, reading, writing and preparing, under the same names.
//! `existing` reads the tables of another program, so that they can be migrated.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(
    not(all(feature = "sqlite", feature = "postgres")),
    allow(dead_code, reason = "a part of what both share is used by one of them only")
)]

mod bind;
mod catalog_cache;
mod chunk;
mod config;
mod ddl;
mod dialect;
mod errors;
mod existing;
mod expression;
mod factory;
mod filter;
mod layout;
mod names;
mod own_record;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_url;
mod server_address;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use config::{Pooler, Secret, SqlSettings, SqlType, SslMode};
pub use ddl::ddl;
pub use dialect::Dialect;
pub use factory::{PostgresFactory, SqlFactory, SqliteFactory};
#[cfg(feature = "postgres")]
pub use postgres::PostgresStrategy;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStrategy;

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
compile_error!("repo-sql needs one of its features: sqlite, postgres");
