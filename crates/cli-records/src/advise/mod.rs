//! `repoctl advise`: which indexes would serve the queries that were recorded, and which
//! stores can do what is asked.

mod printed;
mod proposals;
mod recorded;
mod stores;

use std::path::{Path, PathBuf};

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Outcome, wrong_usage};
use cli_output::output::Output;
use repo_core::{CollectionName, Schemas};

pub use stores::{Candidate, Question};

/// What can be typed after `advise` and the collection.
#[derive(Debug, Args)]
// A command flattens it into its own arguments, whose group has this name already.
#[group(skip)]
pub struct Arguments {
    /// Propose indexes
    #[arg(
        long,
        requires = "recorded",
        required_unless_present = "requirements",
        conflicts_with = "requirements"
    )]
    indexes: bool,
    /// What the layer `record_queries` wrote
    #[arg(long, value_name = "FILE", requires = "indexes")]
    recorded: Option<PathBuf>,
    #[command(flatten)]
    stores: stores::Arguments,
}

/// What is asked.
#[derive(Debug)]
pub enum Asked<'a> {
    /// Indexes for the queries that a file recorded.
    Indexes(Recorded<'a>),
    /// Stores for requirements.
    Stores(Question<'a>),
}

/// A file of recorded queries.
#[derive(Debug)]
pub struct Recorded<'a>(&'a Path);

impl Arguments {
    /// Which advice is asked for.
    ///
    /// # Errors
    /// `ConfigInvalid` for neither; the command line refuses that before.
    pub fn asked(&self) -> Outcome<Asked<'_>> {
        match (self.stores.question(), &self.recorded) {
            (Some(question), _) => Ok(Asked::Stores(question)),
            (None, Some(file)) if self.indexes => Ok(Asked::Indexes(Recorded(file))),
            (None, _) => Err(wrong_usage("advise", "no advice is asked for")
                .hint("add --indexes --recorded FILE, or --requirements FILE")
                .into()),
        }
    }
}

impl Recorded<'_> {
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
        let recorded = recorded::read(self.0)?;
        let wanted = recorded
            .into_values()
            .filter(|one| only.is_none_or(|collection| one.shape.collection == *collection));
        printed::print(output, &proposals::propose(schemas, wanted))?;
        Ok(Ending::Done)
    }
}
