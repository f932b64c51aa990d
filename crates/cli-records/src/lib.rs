//! Questions about the records of one open store on the command line.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod advise;
pub mod aggregate;
mod indexes;
pub mod query;
