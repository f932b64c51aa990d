//! The two programs: what can be typed, and the help for it.

use clap::Parser;

use super::args::{CommonArgs, StoreArgs};
use super::commands::{Command, migrate};

const EXIT_CODES: &str = "Exit codes: 0 done and verified, 1 failed, 2 wrong usage or \
                          configuration, 3 partly done, 4 the stores differ, 5 locked, \
                          130/143 interrupted.";

/// Set up, look into, change and move repositories in JSON files and databases.
#[derive(Debug, Parser)]
#[command(name = "repoctl", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Repoctl {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Copy all collections from one store to another, with a backup before the
/// first write and a comparison of both sides after the last one.
#[derive(Debug, Parser)]
#[command(name = "migrateRepository", version, after_help = EXIT_CODES)]
pub(crate) struct MigrateRepository {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) migrate: migrate::Arguments,
}
