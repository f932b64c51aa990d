//! `repoctl live abort` and `repoctl live finish`.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use repo_migrate::live;
use serde_json::json;

use super::place::{Places, stores};
use crate::cli::context::Context;
use crate::cli::sides::SideArgs;

/// What can be typed after `live abort` and `live finish`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sides: SideArgs,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Abort,
    Finish,
}

impl Arguments {
    pub(super) async fn run(&self, context: &Context, end: End) -> Outcome<Ending> {
        let (operation, words) = match end {
            End::Abort => ("live abort", "given up; programs go on writing to the source"),
            End::Finish => ("live finish", "finished; the source takes no writes any more"),
        };
        let places = Places::choose(&self.sides, context, operation)?;
        let both = places.both();
        match end {
            End::Abort => live::abort(stores(&both)).await?,
            End::Finish => live::finish(stores(&both)).await?,
        }
        context.output.result(&json!({ "ended": end == End::Finish }), || words.to_owned())?;
        Ok(Ending::Done)
    }
}
