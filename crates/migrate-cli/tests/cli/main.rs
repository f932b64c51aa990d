//! The two programs as their users call them: what they print, write and answer.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

#[path = "../cli_support/mod.rs"]
mod cli_support;

mod advise;
mod advise_stores;
mod aggregate;
mod backups;
mod bad_input;
mod bit_rot;
mod blobs;
mod changes;
mod clean_up;
mod closing;
mod commands;
mod config;
mod crash;
mod dry_run;
mod dynamodb;
mod dynamodb_refusals;
mod encodings;
mod erase;
mod existing;
mod guide_commands;
mod history;
mod history_travels;
mod json_files;
mod left_out;
mod live;
mod matrix;
mod migrate;
mod object;
mod overwrite;
mod postgres;
mod processes;
mod progress;
mod query_analysis;
mod referred;
mod resume;
mod same_store;
mod schema_files;
mod set_up;
mod sources;
mod sources_broker;
mod sources_mongoexport;
mod sources_refused;
mod sweep;
mod unreadable;
mod upgrade;
