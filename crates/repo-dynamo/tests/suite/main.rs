//! What only DynamoDB has, beside the contract of all stores.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod existing;
mod feed;
mod floors;
mod history;
mod limits;
mod opening;
mod tables;
mod values;
