//! The DynamoDB storage strategy: one table a collection, one item an entity.
//!
//! `layout` says how tables, attributes and indexes are called, `item` how a
//! record becomes an item, `catalog` what the store keeps about itself, `existing` how
//! tables of another program are read; the other modules each do one method of the
//! contract.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod aggregate;
mod apply;
mod cache;
mod catalog;
mod client;
mod commit;
mod config;
mod ddl;
mod definition;
mod enough;
mod errors;
mod existing;
mod factory;
mod feed;
mod get;
mod history;
mod identity;
mod indexing;
mod item;
mod layout;
mod limits;
mod load;
#[doc(hidden)]
pub mod measured;
mod native;
mod open;
mod own_tables;
mod partitions;
mod plan;
mod prepare;
mod purge;
mod query;
mod retry;
mod role;
mod scan;
mod scratch;
mod settle;
mod shared;
mod single;
mod store_record;
mod strategy;
mod tables;
mod transact;
mod value;

pub use config::{AutoScaling, BillingMode, DynamoSettings};
pub use ddl::table_definitions;
pub use factory::DynamoFactory;
pub use strategy::DynamoStrategy;

#[cfg(test)]
mod fault_tests;
