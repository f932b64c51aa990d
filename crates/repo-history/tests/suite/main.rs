//! The history of entities, and what removes it.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod history;
mod pruning;
