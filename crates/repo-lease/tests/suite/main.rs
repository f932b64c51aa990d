//! Leases on every store: what they promise, and how they stand the races that the decision
//! on leases lists.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[macro_use]
mod stores;
#[path = "../common/mod.rs"]
mod common;
mod party;

mod exclusive;
mod keeping;
mod locked;
mod lost_answers;
mod operators;
mod races;
mod renewals;
mod shared;
mod tokens;
mod transactions;
