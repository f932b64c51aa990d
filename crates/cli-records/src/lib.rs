//! Questions about the records of one open store on the command line, and which store to choose.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod advise;
pub mod aggregate;
mod indexes;
pub mod query;
pub mod strategies;
