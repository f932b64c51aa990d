//! The server as its clients meet it, over HTTP.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod console;
mod documents;
mod faults;
mod futurehouse;
mod kills;
mod madsci;
mod operation;
mod schema;
mod security;
