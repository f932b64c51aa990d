//! `repoctl man`: manual pages, from the definition of the command line
//! itself.

use clap::{Args, Command};
use cli_output::exit_code::Ending;
use cli_output::failure::{Failure, Outcome, wrong_usage};
use cli_output::output::write_stdout;

use crate::cli::context::Context;

/// What can be typed after `man`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The command, for example `query` or `schema show` [default: the page
    /// of repoctl]
    command: Vec<String>,
}

impl Arguments {
    pub(crate) fn run(&self, context: &Context) -> Outcome<Ending> {
        let mut root = (context.programs.repoctl)();
        root.build();
        let mut page = &root;
        for name in &self.command {
            page = page.find_subcommand(name).ok_or_else(|| {
                wrong_usage("man", "no such command")
                    .with("command", self.command.join(" "))
                    .hint("`repoctl help` lists the commands")
            })?;
        }
        write_stdout(rendered(page)?.as_bytes())?;
        Ok(Ending::Done)
    }
}

fn rendered(page: &Command) -> Outcome<String> {
    let mut text = Vec::new();
    clap_mangen::Man::new(page.clone()).render(&mut text).map_err(Failure::writing)?;
    Ok(in_ascii(&String::from_utf8_lossy(&text)))
}

/// The page with every character that is not ASCII as groff's own escape:
/// `groff -man` alone takes no UTF-8.
fn in_ascii(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    for character in page.chars() {
        match character {
            _ if character.is_ascii() => out.push(character),
            // Terminals without Unicode have no such character.
            '…' => out.push_str("..."),
            _ => out.push_str(&format!("\\[u{:04X}]", u32::from(character))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::programs::Repoctl;

    fn check(page: &Command) {
        let text = rendered(page).unwrap();
        assert!(text.is_ascii(), "{}: {text}", page.get_name());
        page.get_subcommands().for_each(check);
    }

    #[test]
    fn groff_takes_every_character_of_every_page() {
        assert_eq!(in_ascii("C, … – é"), "C, ... \\[u2013] \\[u00E9]");
        let mut root = Repoctl::command();
        root.build();
        check(&root);
    }
}
