//! `repoctl advise --requirements`: which stores can do what is asked, and how they carry the
//! load, measured.

mod bounded;
mod candidate;
mod load;
mod object;
mod pace;
mod printed;
mod refusals;
mod report;
mod requirements;
mod sample;
mod times;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::Output;
use cli_output::signals::Interruption;

pub use candidate::Candidate;

use candidate::Trial;
use report::Report;
use sample::Sample;

/// What can be typed about requirements.
#[derive(Debug, Args)]
// A command flattens it into its own arguments, whose group has this name already.
#[group(skip)]
pub(super) struct Arguments {
    /// Say which stores can do what this file asks for, and measure them
    #[arg(long, value_name = "FILE")]
    requirements: Option<PathBuf>,
    /// A store, by its URL or by the name of its strategy; may be repeated [default: each
    /// strategy with settings in the configuration]
    #[arg(long, value_name = "URL|NAME", requires = "requirements", conflicts_with = "indexes")]
    candidate: Vec<String>,
    /// Measure stores on servers too: in a schema or in tables of their own, which are removed
    #[arg(long, requires = "requirements", conflicts_with = "indexes")]
    measure_servers: bool,
    /// Entities that a store is measured with, at most
    #[arg(long, value_name = "N", default_value_t = 2_000, requires = "requirements",
          conflicts_with = "indexes", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    sample: u32,
    /// How long each store is measured
    #[arg(long, value_name = "N", default_value_t = 3, requires = "requirements",
          conflicts_with = "indexes", value_parser = clap::value_parser!(u8).range(1..=60))]
    seconds: u8,
}

/// What is asked about stores.
#[derive(Debug)]
pub struct Question<'a> {
    requirements: &'a Path,
    arguments: &'a Arguments,
}

impl Arguments {
    /// What is asked, if it is.
    #[must_use]
    pub(super) fn question(&self) -> Option<Question<'_>> {
        let requirements = self.requirements.as_deref()?;
        Some(Question { requirements, arguments: self })
    }
}

impl Question<'_> {
    /// The stores that are named, by URLs or names of strategies; those of the configuration
    /// where there is none.
    #[must_use]
    pub fn named(&self) -> &[String] {
        &self.arguments.candidate
    }

    /// Asks each store what it can do, measures those that can do everything, and prints what
    /// was found. A store that cannot be tried is part of the answer.
    ///
    /// # Errors
    /// `ConfigInvalid` for a file that holds no requirements; `NotFound`, `PermissionDenied`
    /// or `Unavailable` for one that cannot be read; `LimitExceeded` for a load that takes
    /// more than 256 MiB at a moment; and what cannot be printed.
    pub async fn run(&self, output: Output, candidates: &[Candidate]) -> Outcome<Ending> {
        let wanted = requirements::read(self.requirements)?;
        let most = usize::try_from(self.arguments.sample).unwrap_or(usize::MAX);
        let sample = Sample::of(&wanted, most)?;
        let seconds = u64::from(self.arguments.seconds);
        let interruption = Interruption::listen()?;
        let trial = Trial {
            wanted: &wanted,
            sample: &sample,
            length: Duration::from_secs(seconds),
            servers: self.arguments.measure_servers,
            output,
            interruption: &interruption,
        };
        let mut found = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            match trial.of(candidate).await {
                Ok(one) => found.push(one),
                Err(signal) => return Ok(Ending::Interrupted(signal)),
            }
        }
        let report = Report { requirements: &wanted, sample: &sample, seconds, candidates: &found };
        output.list(&report, &found, || printed::in_words(&report))?;
        Ok(Ending::Done)
    }
}
