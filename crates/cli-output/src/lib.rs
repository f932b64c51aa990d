//! How the tools speak, and are spoken to: tables, JSON, progress, events, failures, exit codes.
//!
//! A command does its work and returns an [`Outcome`](failure::Outcome). What it prints
//! on the way goes through [`Output`](output::Output), in the form that was asked for, and
//! [`ending::report`] says its last words and gives the exit code. Nothing here knows
//! which command it is, or how a command line is read.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod archives;
mod bars;
pub mod blob_report;
pub mod ending;
pub mod events;
pub mod exit_code;
pub mod failure;
pub mod input;
pub mod live_report;
pub mod logging;
pub mod output;
pub mod progress;
mod redact;
pub mod remedies;
pub mod render;
pub mod report;
pub mod resume_command;
pub mod signals;
pub mod transfer;
pub mod upgrade_report;
