//! `repoctl diff`: how two versions of an entity differ.

use std::sync::Arc;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Failure, Outcome};
use repo_history::History;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::context::{Access, Context, collection};
use crate::cli::typed;

/// What can be typed after `diff`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// The id of the entity
    id: String,
    /// The version to begin with
    from: u64,
    /// The version that it becomes
    to: u64,
}

/// The difference, for a program.
#[derive(Serialize)]
struct View<'a> {
    from: u64,
    to: u64,
    /// RFC 6902.
    patch: &'a RawValue,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let id = typed::id(&self.id)?;
        let (from, to) = (typed::version(self.from)?, typed::version(self.to)?);
        let opened = context.open_only(Access::Read, Some(std::slice::from_ref(&name))).await?;
        let work = async {
            let history = History::of(Arc::clone(&opened.store), name.clone());
            let diff = history.diff(&id, from, to).await?;
            let patch: Box<RawValue> = serde_json::from_str(&diff.to_json())
                .map_err(|error| Failure::writing(error.into()))?;
            let view = View { from: self.from, to: self.to, patch: &patch };
            context.output.result(&view, || match diff.steps.as_slice() {
                [] => "both are the same".to_owned(),
                steps => steps.iter().map(|step| format!("{step}\n")).collect(),
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}
