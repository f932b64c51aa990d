//! The object store strategy: a store in S3-compatible storage, or in a folder of objects, that
//! programs on several machines share without a database between them.
//!
//! ```text
//! log/00000000000000000042        what one group of commits changed, created once
//! checkpoint/00000000000000000007 what the log has made: a whole state, and runs behind it
//! run/ID/docs-000000              documents, a line each
//! run/ID/index-000000             lines that say which records they are
//! run/ID/changes                  changes that the feed still needs
//! ```
//!
//! - **A commit** is an object that is created under the next number of the log, on condition
//!   that there is none (`put`). Of all who try, one does; the others read it, decide again, and
//!   take the next number (`writer`). So commits are in one order, over all collections and
//!   machines. Commits of one process that wait share an object.
//! - **A strong read** asks for the object behind the last one that is known, until there is
//!   none (`follow`). Reads that wait share the question (`probe`).
//! - **Memory** holds the index of records and versions, and no documents but the last ones that
//!   were used: `slot`, `table`, `state`. Documents are read by ranges, many at once
//!   (`documents`).
//! - **Checkpoints** (`checkpoint`) are for who opens the store, and let old objects go.
//!
//! Every object is lines of JSON with a checksum (`format`).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batch;
mod cache;
mod checkpoint;
mod config;
mod documents;
mod env;
mod errors;
mod factory;
mod feed;
mod feed_part;
mod follow;
mod format;
mod health;
mod hex;
mod identity;
mod limits;
mod load;
mod making;
mod moment;
mod names;
mod objects;
mod older;
mod open;
mod probe;
mod put;
mod queue;
mod reader;
mod request;
mod scan;
mod slot;
mod state;
mod store;
mod strategy;
mod table;
mod writer;

pub use config::ObjectSettings;
pub use factory::ObjectFactory;
pub use strategy::ObjectStrategy;

#[cfg(test)]
mod tests;
