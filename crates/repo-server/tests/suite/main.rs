//! The server as its clients meet it, over HTTP.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod console;
mod console_upload;
mod data_api;
mod data_sets;
mod documents;
mod faults;
mod futurehouse;
mod kills;
mod madsci;
mod operation;
mod repoctl;
mod repoctl_tls;
mod schema;
mod security;
mod stalls;
mod tus;
