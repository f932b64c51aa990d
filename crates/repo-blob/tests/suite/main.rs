//! What only one blob store has, beside the contract of all of them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/wire.rs"]
mod wire;

mod bounded;
mod faults;
mod folder;
mod killed;
mod objects;
mod s3;
