//! `repoctl schema ddl`: the SQL behind `init`.

use clap::Args;
use repo_core::{Error, ErrorKind, Result, Schemas};
use serde_json::json;

use crate::cli::context::{Context, collection};
use crate::cli::exit_code::Ending;
use crate::cli::failure::Outcome;

/// What can be typed after `schema ddl`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collections [default: every declared one]
    collections: Vec<String>,
}

impl Arguments {
    pub(crate) fn run(&self, context: &Context) -> Outcome<Ending> {
        let strategy = strategy(context)?;
        let schemas = context.schemas_without_store()?;
        let script = script(&strategy, &self.chosen(&schemas)?)?;
        context
            .output
            .result(&json!({ "strategy": strategy, "sql": script }), || script.clone())?;
        Ok(Ending::Done)
    }

    fn chosen(&self, schemas: &Schemas) -> Result<Vec<repo_core::CollectionSchema>> {
        if self.collections.is_empty() {
            return Ok(schemas.iter().cloned().collect());
        }
        self.collections.iter().map(|name| Ok(schemas.get(&collection(name)?))).collect()
    }
}

/// The strategy: from `--strategy`, else the one that a command on a store
/// would open.
fn strategy(context: &Context) -> Result<String> {
    if let Some(name) = &context.store.strategy {
        return Ok(context.registry.get(name)?.name().to_owned());
    }
    Ok(context.choose()?.0.factory.name().to_owned())
}

#[cfg(feature = "sql")]
fn script(strategy: &str, schemas: &[repo_core::CollectionSchema]) -> Result<String> {
    match strategy {
        "sql" | "sqlite" => repo_sql::ddl(repo_sql::Dialect::Sqlite, schemas),
        _ => Err(no_sql(strategy)),
    }
}

#[cfg(not(feature = "sql"))]
fn script(strategy: &str, _: &[repo_core::CollectionSchema]) -> Result<String> {
    Err(no_sql(strategy))
}

fn no_sql(strategy: &str) -> Error {
    Error::new(ErrorKind::Unsupported, "schema ddl", "this build makes no SQL for the strategy")
        .with("strategy", strategy)
        .hint("name one that does: --strategy sqlite")
}
