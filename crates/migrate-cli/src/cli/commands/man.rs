//! `repoctl man`: manual pages, from the definition of the command line
//! itself.

use clap::{Args, CommandFactory as _};

use crate::cli::args::Repoctl;
use crate::cli::context::Context;
use crate::cli::exit_code::Ending;
use crate::cli::failure::{Failure, Outcome, wrong_usage};
use crate::cli::output::write_stdout;

/// What can be typed after `man`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The command, for example `query` or `schema show` [default: the page
    /// of repoctl]
    command: Vec<String>,
}

impl Arguments {
    pub(crate) fn run(&self, _context: &Context) -> Outcome<Ending> {
        let mut root = Repoctl::command();
        root.build();
        let mut page = &root;
        for name in &self.command {
            page = page.find_subcommand(name).ok_or_else(|| {
                wrong_usage("man", "no such command")
                    .with("command", self.command.join(" "))
                    .hint("`repoctl help` lists the commands")
            })?;
        }
        let mut text = Vec::new();
        clap_mangen::Man::new(page.clone()).render(&mut text).map_err(Failure::writing)?;
        write_stdout(&text)?;
        Ok(Ending::Done)
    }
}
