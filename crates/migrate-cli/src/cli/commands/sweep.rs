//! `repoctl sweep`: deletes what has outlived its time.

use std::num::{NonZeroU64, NonZeroUsize};

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Failure, Outcome};
use cli_output::signals::Interruption;
use repo_core::strategy::{StorageStrategy, as_stored};
use repo_core::{Clock as _, Consistency, Error, ErrorKind, Result, Schemas, SystemClock};
use repo_engine::{SweepOptions, Swept, sweep};
use serde_json::json;

use crate::cli::context::{Access, Context, collection};

/// What can be typed after `sweep`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// These collections; all with a `ttlField` without them
    collections: Vec<String>,
    /// Delete so many entities in one commit; a store that holds fewer gets fewer
    #[arg(long, value_name = "N", default_value = "100")]
    batch_size: NonZeroUsize,
    /// End after so many deletions, over all collections
    #[arg(long, value_name = "N")]
    at_most: Option<NonZeroU64>,
    /// Only count what would be deleted
    #[arg(long, conflicts_with = "at_most")]
    dry_run: bool,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let (_, config) = context.choose()?;
        let declared = context.schemas(&config)?;
        let schemas = self.swept(&declared)?;
        let access = if self.dry_run { Access::Read } else { Access::Write };
        let interruption = Interruption::listen()?;
        let opened = context.open(access).await?;
        let work = async {
            let done = tokio::select! {
                biased;
                // What was deleted by then is deleted.
                signal = interruption.wait() => return Ok(Ending::Interrupted(signal)),
                done = self.sweep(&*opened.store, &schemas) => done?,
            };
            self.report(context, &done)?;
            Ok::<_, Failure>(Ending::Done)
        };
        opened.close_after(work).await
    }

    /// The collections to sweep, each with a time to live.
    fn swept(&self, declared: &Schemas) -> Result<Schemas> {
        if self.collections.is_empty() {
            let all: Schemas = declared.iter().filter(|s| s.expiry.is_some()).cloned().collect();
            if all.iter().next().is_none() {
                return Err(refuse("no declared collection has a time to live"));
            }
            return Ok(all);
        }
        let named = self.collections.iter().map(|name| {
            let schema = declared.get(&collection(name)?);
            match schema.expiry {
                Some(_) => Ok(schema),
                None => Err(refuse("the collection has no time to live")
                    .with("collection", &schema.collection)),
            }
        });
        named.collect()
    }

    async fn sweep(&self, store: &dyn StorageStrategy, schemas: &Schemas) -> Result<Vec<Row>> {
        if !self.dry_run {
            let options =
                SweepOptions::default().with_batch_size(self.batch_size).with_most(self.at_most);
            let swept = sweep(store, schemas, &SystemClock, &options).await?;
            return Ok(swept.into_iter().map(Row::Swept).collect());
        }
        let mut rows = Vec::new();
        for schema in schemas.iter() {
            let Some(expiry) = &schema.expiry else { continue };
            let passed = expiry.passed(SystemClock.now());
            let counted = store.count(&schema.collection, &passed, Consistency::Strong);
            let due = as_stored(counted).await?;
            rows.push(Row::Due { collection: schema.collection.to_string(), due });
        }
        Ok(rows)
    }

    fn report(&self, context: &Context, done: &[Row]) -> Outcome<()> {
        for row in done {
            if let Row::Swept(Swept { collection, no_time, first_without_time, .. }) = row
                && *no_time > 0
            {
                let ids: Vec<&str> = first_without_time.iter().map(|id| id.as_str()).collect();
                context.output.warning(&format!(
                    "{no_time} entities of {collection} are out of sight and stay, because their \
                     field says no time: {}",
                    ids.join(", ")
                ));
            }
        }
        let answer = json!({ "dry_run": self.dry_run, "collections": done });
        context.output.list(&answer, done, || {
            let lines: Vec<String> = done.iter().map(Row::in_words).collect();
            lines.join("\n")
        })
    }
}

/// What was done in one collection, or would be.
#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
enum Row {
    Swept(Swept),
    Due { collection: String, due: u64 },
}

impl Row {
    fn in_words(&self) -> String {
        match self {
            Self::Due { collection, due } => format!("{collection}: {due} would be deleted"),
            Self::Swept(Swept { collection, removed, more: false, .. }) => {
                format!("{collection}: {removed} deleted")
            }
            Self::Swept(Swept { collection, removed, .. }) => {
                format!("{collection}: {removed} deleted; more may be due")
            }
        }
    }
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "sweep", why)
        .hint("name the field with the time as `ttlField` in the collection's schema")
}
