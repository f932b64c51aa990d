//! `repoctl resolve`: a JSON store whose files were edited while its journal
//! still held commits. Somebody has to say which of both is right.

use clap::{Args, ValueEnum};
use repo_core::{Error, ErrorKind};

use crate::cli::context::Context;
use crate::cli::exit_code::Ending;
use crate::cli::failure::Outcome;

/// What can be typed after `resolve`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to keep
    #[arg(long, value_enum, value_name = "WHAT")]
    keep: Keep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Keep {
    /// The files as they are now; the journal's commits are dropped
    File,
    /// The journal; the edits of the files are dropped
    Journal,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let (chosen, config) = context.choose()?;
        let _ = (self.keep, config);
        Err(Error::new(ErrorKind::Unsupported, "resolve", "only a JSON store has a journal")
            .with("strategy", chosen.factory.name())
            .into())
    }
}
