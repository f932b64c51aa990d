//! `repoctl schema ddl`: what `init` would make, as SQL or as DynamoDB's table
//! definitions.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use repo_core::{CollectionSchema, Error, ErrorKind, Result, Schemas};
use serde_json::{Value as Json, json};

use crate::cli::context::{Context, collection};

/// What can be typed after `schema ddl`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collections [default: every declared one]
    collections: Vec<String>,
}

/// What `init` would make.
enum Definitions {
    /// Statements, to be run as they stand.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    Sql(String),
    /// Inputs of `aws dynamodb create-table --cli-input-json`, one a table.
    #[cfg(feature = "dynamodb")]
    Tables(Vec<Json>),
}

impl Definitions {
    /// The key and the value in the result.
    fn to_json(&self) -> (&'static str, Json) {
        match *self {
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            Self::Sql(ref script) => ("sql", json!(script)),
            #[cfg(feature = "dynamodb")]
            Self::Tables(ref tables) => ("tables", json!(tables)),
        }
    }

    fn to_text(&self) -> String {
        match *self {
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            Self::Sql(ref script) => script.clone(),
            #[cfg(feature = "dynamodb")]
            Self::Tables(ref tables) => {
                let texts: Vec<String> = tables.iter().map(|table| format!("{table:#}")).collect();
                texts.join("\n")
            }
        }
    }
}

impl Arguments {
    pub(crate) fn run(&self, context: &Context) -> Outcome<Ending> {
        let strategy = strategy(context)?;
        let schemas = context.schemas_without_store()?;
        let definitions = definitions(context, &strategy, &self.chosen(&schemas)?)?;
        let (key, value) = definitions.to_json();
        context
            .output
            .result(&json!({ "strategy": strategy, key: value }), || definitions.to_text())?;
        Ok(Ending::Done)
    }

    fn chosen(&self, schemas: &Schemas) -> Result<Vec<CollectionSchema>> {
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
    Ok(context.choose()?.0.store.factory.name().to_owned())
}

#[cfg_attr(
    not(all(any(feature = "sqlite", feature = "postgres"), feature = "dynamodb")),
    allow(unused_variables)
)]
fn definitions(
    context: &Context,
    strategy: &str,
    schemas: &[CollectionSchema],
) -> Result<Definitions> {
    match strategy {
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        "sqlite" => sql(repo_sql::Dialect::Sqlite, schemas),
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        "postgresql" => sql(repo_sql::Dialect::Postgres, schemas),
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        "sql" => match settings(context, "sql_strategy")?["type"].as_str() {
            Some("postgresql") => sql(repo_sql::Dialect::Postgres, schemas),
            _ => sql(repo_sql::Dialect::Sqlite, schemas),
        },
        #[cfg(feature = "dynamodb")]
        "dynamodb" => {
            let settings = settings(context, "dynamodb_strategy")?;
            repo_dynamo::table_definitions(&settings, schemas).map(Definitions::Tables)
        }
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            "schema ddl",
            "`init` makes no tables for this strategy",
        )
        .with("strategy", strategy)
        .hint("name one that has tables: --strategy sqlite, postgresql or dynamodb")),
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn sql(dialect: repo_sql::Dialect, schemas: &[CollectionSchema]) -> Result<Definitions> {
    repo_sql::ddl(dialect, schemas).map(Definitions::Sql)
}

/// The settings of the store that is named by URL, else those of the
/// configuration, else none.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "dynamodb"))]
fn settings(context: &Context, key: &str) -> Result<Json> {
    if context.store.store.is_some() {
        return Ok(context.choose()?.0.store.settings);
    }
    match context.file() {
        Some(file) => context.load(Some(&file), None)?.settings(key),
        None => Ok(json!({})),
    }
}
