//! Commits in two stores, of every kind: what they promise, and how they stand what the decision
//! lists.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[macro_use]
mod pairs;
#[path = "../common/mod.rs"]
mod common;

mod commits;
mod kills;
mod lost_answers;
mod operators;
mod races;
mod refusals;
mod restored;
