//! What only SQLite or PostgreSQL has, beside the contract of all stores.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

#[cfg(feature = "sqlite")]
#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "sqlite")]
#[path = "../existing/mod.rs"]
mod existing;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
#[path = "../postgres/mod.rs"]
mod postgres;

mod digests;
mod existing_postgres;
mod existing_sqlite;
mod feed;
mod files;
mod foreign;
mod history;
mod names;
mod opening;
mod postgres_entries;
mod postgres_faults;
mod postgres_features;
mod postgres_feed;
mod postgres_fence;
mod postgres_foreign;
mod postgres_history;
mod postgres_limits;
mod postgres_names;
mod postgres_plans;
mod postgres_pool;
mod postgres_pooler;
mod postgres_races;
mod postgres_refusals;
mod postgres_replicas;
mod postgres_tables;
mod postgres_tls;
mod postgres_trips;
mod sqlite_states;
mod tables;
mod triggers;
mod writers;
