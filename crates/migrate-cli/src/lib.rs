//! Moving repositories between stores, verified, and the programs `repoctl`
//! and `migrateRepository`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod cli;
