//! `repoctl data` in a build without it.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use repo_core::{Error, ErrorKind};

/// What was typed after `data`, whatever it is.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Absent {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    words: Vec<String>,
}

impl Absent {
    /// Refuses it in words.
    pub(crate) fn run(&self) -> Outcome<Ending> {
        let what = self.words.first().map_or("", String::as_str);
        Err(Error::new(ErrorKind::Unsupported, "data", "data services are not in this build")
            .with("command", what)
            .hint("use a build with the feature data")
            .into())
    }
}
