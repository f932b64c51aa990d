//! The command line: `repoctl` and `migrateRepository`.
//!
//! `args` says what can be typed, `commands` holds one file a command, and
//! the rest is what they share. How they speak is `cli_output`.

mod args;
mod attribution;
mod commands;
mod configuration;
mod context;
mod programs;
mod sides;
mod typed;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind as ClapKind;
use clap::{CommandFactory as _, Parser};
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::{ending, logging};
use repo_core::strategy::SystemLimit;
use repo_core::{Error, ErrorKind};

use args::StoreArgs;
use context::{Context, Programs};
use programs::{MigrateRepository, Repoctl};

/// The registry of the strategies that the tools know, for
/// `schemas/config.schema.json` and for programs that embed the tools.
#[must_use]
pub fn known_strategies() -> repo_core::strategy::Registry {
    repo_engine::registry()
}

pub use cli_output::events::{Event, events_schema};
pub use cli_output::exit_code;

const PROGRAMS: Programs =
    Programs { repoctl: Repoctl::command, migrate_repository: MigrateRepository::command };

/// The program `repoctl`.
#[must_use]
pub fn repoctl() -> ExitCode {
    match parse::<Repoctl>() {
        Ok(Repoctl { common, store, command }) => {
            let context = Context::new(PROGRAMS, common, store);
            ending::report(context.output, run(&context, command.run(&context)))
        }
        Err(code) => code,
    }
}

/// The program `migrateRepository`.
#[must_use]
pub fn migrate_repository() -> ExitCode {
    match parse::<MigrateRepository>() {
        Ok(MigrateRepository { common, migrate }) => {
            let context = Context::new(PROGRAMS, common, StoreArgs::default());
            ending::report(context.output, run(&context, migrate.run(&context)))
        }
        Err(code) => code,
    }
}

/// Threads for work that computes or blocks, at most. Each keeps memory of its
/// own with the allocator, so more of them would only make a long run larger.
/// One may wait for the others: the reader of an archive.
const BLOCKING_THREADS: usize = 8;

/// Runs a command on a runtime of its own.
fn run(_context: &Context, command: impl Future<Output = Outcome<Ending>>) -> Outcome<Ending> {
    logging::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|source| {
        let error = Error::new(ErrorKind::Unavailable, "start", "the runtime cannot be started")
            .with("reason", &source);
        let error = match SystemLimit::of(&source) {
            Some(limit) => error.hint(limit.hint).into_kind(limit.kind),
            None => error,
        };
        error.caused_by(source)
    })?;
    let ending = runtime.block_on(command);
    // A thread that still reads standard input must not keep the process.
    runtime.shutdown_background();
    ending
}

/// Reads the command line. What is wrong with it is exit code 2, in the form
/// that the caller asked for.
fn parse<P: Parser>() -> Result<P, ExitCode> {
    let given: Vec<OsString> = std::env::args_os().collect();
    let matches = P::command().try_get_matches_from(&given);
    matches.and_then(|mut matches| P::from_arg_matches_mut(&mut matches)).map_err(|error| {
        use ClapKind::{DisplayHelp, DisplayVersion};
        if matches!(error.kind(), DisplayHelp | DisplayVersion) {
            // The reader of a help text may leave early.
            let _ = error.print();
            return ExitCode::from(exit_code::DONE);
        }
        ending::misread(&error.render().to_string(), wants_json(&given))
    })
}

/// Whether the caller asked for results that a program reads, as far as that
/// can be told from a command line that could not be read.
fn wants_json(given: &[OsString]) -> bool {
    let given: Vec<_> = given.iter().map(|word| word.to_string_lossy()).collect();
    let is_json = |word: &str| matches!(word, "json" | "ndjson");
    given.windows(2).any(|pair| pair[0] == "--format" && is_json(&pair[1]))
        || given.iter().any(|word| word.strip_prefix("--format=").is_some_and(is_json))
}
