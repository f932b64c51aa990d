//! The SQL storage strategy: SQLite now, PostgreSQL to come.
//!
//! `layout`, `ddl` and `filter` are one code for every dialect; what differs
//! between dialects stands in [`Dialect`]. `sqlite` holds what is SQLite's
//! alone: connections, the writer thread, reading and preparing.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bind;
mod config;
mod ddl;
mod dialect;
mod errors;
mod factory;
mod filter;
mod layout;
mod names;
mod sqlite;

pub use config::{Secret, SqlSettings, SqlType};
pub use ddl::ddl;
pub use dialect::Dialect;
pub use factory::{SqlFactory, SqliteFactory};
pub use sqlite::SqliteStrategy;
