//! `repoctl advise --indexes`: which indexes would serve the queries that were recorded.

mod printed;
mod proposals;
mod recorded;

use std::path::PathBuf;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::Output;
use repo_core::{CollectionName, Schemas};

/// What can be typed after `advise` and the collection.
#[derive(Debug, Args)]
// A command flattens it into its own arguments, whose group has this name already.
#[group(skip)]
pub struct Arguments {
    /// Propose indexes
    #[arg(long, required = true)]
    #[allow(dead_code, reason = "it says which advice is asked for; there is no other yet")]
    indexes: bool,
    /// What the layer `record_queries` wrote
    #[arg(long, value_name = "FILE")]
    recorded: PathBuf,
}

impl Arguments {
    /// Reads the record, and prints what it leads to; of one collection, or of all.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied` or `Unavailable` for a file that cannot be read,
    /// `Invalid` for a line that is no recorded query, `LimitExceeded` for more than 100,000
    /// different ones; and what cannot be printed.
    pub fn run(
        &self,
        output: Output,
        schemas: &Schemas,
        only: Option<&CollectionName>,
    ) -> Outcome<Ending> {
        let recorded = recorded::read(&self.recorded)?;
        let wanted = recorded
            .into_values()
            .filter(|one| only.is_none_or(|collection| one.shape.collection == *collection));
        printed::print(output, &proposals::propose(schemas, wanted))?;
        Ok(Ending::Done)
    }
}
