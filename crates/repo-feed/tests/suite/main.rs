//! Consumers, chains and streams over the feed of a store.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod chain;
mod consumers;
mod stream;
