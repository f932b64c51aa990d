//! `repoctl data`: what a data service keeps, over its API `/api/v1`.
//!
//! Files go up by tus 1.0 and come down by ranges; the same command goes on after it was cut.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod client;
mod digest;
mod download;
mod each;
mod faults;
mod get;
mod items;
mod list;
mod place;
mod put;
mod remove;
mod restore;
mod server;
mod upload;
mod usage;

use clap::Subcommand;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::Output;

/// What can be typed after `data`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Store a file; the same command goes on where it was cut
    Put(put::Arguments),
    /// Fetch the content of an entry into a file; the same command goes on where it was cut
    Get(get::Arguments),
    /// List entries or datasets
    List(list::Arguments),
    /// Delete entries or datasets; they can be restored for a time
    Rm(remove::Arguments),
    /// Restore deleted entries or datasets
    Restore(restore::Arguments),
    /// Print what owners, datasets and stores of blobs hold
    Usage(usage::Arguments),
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// What the server refuses, what keeps it from being reached, and what cannot be printed.
    pub async fn run(&self, output: Output) -> Outcome<Ending> {
        match self {
            Self::Put(arguments) => arguments.run(output).await,
            Self::Get(arguments) => arguments.run(output).await,
            Self::List(arguments) => arguments.run(output).await,
            Self::Rm(arguments) => arguments.run(output).await,
            Self::Restore(arguments) => arguments.run(output).await,
            Self::Usage(arguments) => arguments.run(output).await,
        }
    }
}
