//! `repoctl backups`: the archives in a folder or in object storage.

mod list;
mod place;
mod prune;
mod verify;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::Output;
use repo_core::Result;

use place::Place;

/// What can be typed after `backups`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the archives, what is damaged, and what killed runs left
    List(list::Arguments),
    /// Read archives in full and check every digest
    Verify(verify::Arguments),
    /// Remove all but the newest sound archives, and what killed runs left
    Prune(prune::Arguments),
}

impl Command {
    /// Runs the command. `archives` says where archives are, if another place is not named.
    ///
    /// # Errors
    /// What the place refuses, and what cannot be printed.
    pub async fn run(
        &self,
        output: Output,
        archives: &(dyn Fn(Option<&Path>) -> Result<PathBuf> + Sync),
    ) -> Outcome<Ending> {
        let place = Place::new(output, archives);
        match self {
            Self::List(arguments) => arguments.run(&place).await,
            Self::Verify(arguments) => arguments.run(&place).await,
            Self::Prune(arguments) => arguments.run(&place).await,
        }
    }
}
