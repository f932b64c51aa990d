//! The command line itself: what can be typed, and the help for it.

use std::path::PathBuf;

use clap::{Args, Parser};

use super::commands::{Command, migrate};
use super::output::Format;

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

/// Flags of every command.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CommonArgs {
    /// The configuration file [default: ./repository.json, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder with the *.schema.json files of the collections [default:
    /// `storage.schemas`, or the three Host Factory collections]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) schemas: Option<PathBuf>,
    /// The form of the results on standard output
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
    /// Print no progress and no notes on standard error
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// Flags that choose the one store of a command.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct StoreArgs {
    /// The store, without a configuration: json:DIR, sqlite:FILE, postgresql://… or dynamodb:PREFIX
    #[arg(long, global = true, value_name = "URL", conflicts_with = "strategy")]
    pub(crate) store: Option<String>,
    /// The storage strategy, instead of `storage.strategy`
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) strategy: Option<String>,
}
