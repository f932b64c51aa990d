//! `repoctl completions`: completion scripts, from the definition of the
//! command line itself.

use clap::{Args, ValueEnum};
use clap_complete::Shell;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::write_stdout;

use crate::cli::context::Context;

/// What can be typed after `completions`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
    /// The program to complete
    #[arg(long = "for", value_enum, default_value_t, value_name = "PROGRAM")]
    program: Program,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Program {
    #[default]
    #[value(name = "repoctl")]
    Repoctl,
    #[value(name = "migrateRepository")]
    MigrateRepository,
}

impl Arguments {
    pub(crate) fn run(&self, context: &Context) -> Outcome<Ending> {
        let mut command = match self.program {
            Program::Repoctl => (context.programs.repoctl)(),
            Program::MigrateRepository => (context.programs.migrate_repository)(),
        };
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        write_stdout(&script)?;
        Ok(Ending::Done)
    }
}
