//! `repoctl resolve`: a JSON store whose files were edited while its journal
//! still held commits. Somebody has to say which of both is right.

use clap::{Args, ValueEnum};
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use repo_core::{Error, ErrorKind};

use crate::cli::context::{Access, Chosen, Context};

/// What can be typed after `resolve`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to keep
    #[arg(long, value_enum, value_name = "WHAT")]
    keep: Keep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Keep {
    /// The files as they are now; the journal's commits are given up
    File,
    /// The journal; the edits of what it changed are given up
    Journal,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let (chosen, config) = context.choose()?;
        if chosen.store.factory.settings_key() != "json_strategy" {
            return Err(no_journal(&chosen).into());
        }
        let schemas = context.schemas(&config)?;
        let options = chosen.options(Access::Write, &config, &schemas);
        self.resolve(context, &chosen, options).await
    }

    #[cfg(feature = "json")]
    async fn resolve(
        &self,
        context: &Context,
        chosen: &Chosen,
        options: repo_core::strategy::OpenOptions,
    ) -> Outcome<Ending> {
        let keep = match self.keep {
            Keep::File => repo_json::Keep::File,
            Keep::Journal => repo_json::Keep::Journal,
        };
        let done = repo_json::resolve(&chosen.store.settings, options, keep).await?;
        context.output.result(&done, || human(&done))?;
        Ok(Ending::Done)
    }

    #[cfg(not(feature = "json"))]
    async fn resolve(
        &self,
        _: &Context,
        chosen: &Chosen,
        _: repo_core::strategy::OpenOptions,
    ) -> Outcome<Ending> {
        let _ = self.keep;
        Err(no_journal(chosen).into())
    }
}

#[cfg(feature = "json")]
fn human(done: &repo_json::Resolved) -> String {
    if !done.needed {
        return "there was nothing to decide".to_owned();
    }
    let copies: Vec<String> = done
        .copies
        .iter()
        .map(|path| format!("copy of what was there: {}\n", path.display()))
        .collect();
    format!(
        "{}{} changed, {} added, {} removed, {} kept as the journal has them",
        copies.concat(),
        done.changed,
        done.added,
        done.removed,
        done.kept
    )
}

fn no_journal(chosen: &Chosen) -> Error {
    Error::new(ErrorKind::Unsupported, "resolve", "only a JSON store has a journal to resolve")
        .with("strategy", chosen.store.factory.name())
}
