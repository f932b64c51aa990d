//! Strategies that are known by name and were left out of this build.
//! Their configuration blocks load, so that one file can serve several builds.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{OpenOptions, StorageStrategy, StrategyFactory};
use repo_core::{Error, ErrorKind, Result};
use serde_json::{Value as Json, json};

/// A strategy that this build was made without, by a cargo feature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DisabledStrategyFactory {
    name: &'static str,
    summary: &'static str,
    settings_key: &'static str,
    scheme: &'static str,
}

impl DisabledStrategyFactory {
    /// All that this build does not offer.
    pub(crate) fn all() -> Vec<Self> {
        let of = |name, summary, settings_key, scheme| Self { name, summary, settings_key, scheme };
        let known = [
            (cfg!(feature = "json"), of("json", "JSON files", "json_strategy", "json:")),
            (cfg!(feature = "sql"), of("sql", "a SQL database", "sql_strategy", "sql:")),
            (cfg!(feature = "sql"), of("sqlite", "a SQLite database", "sql_strategy", "sqlite:")),
            (
                cfg!(feature = "sql"),
                of("postgresql", "a PostgreSQL database", "sql_strategy", "postgres"),
            ),
            (
                cfg!(feature = "dynamodb"),
                of("dynamodb", "Amazon DynamoDB tables", "dynamodb_strategy", "dynamodb:"),
            ),
        ];
        known.into_iter().filter(|(built_in, _)| !built_in).map(|(_, factory)| factory).collect()
    }

    /// The error of opening it.
    pub(crate) fn refuse(&self) -> Error {
        let why = format!("the strategy `{}` was left out of this build", self.name);
        Error::new(ErrorKind::Unsupported, "open a store", why)
            .with("strategy", self.name)
            .hint("`repoctl strategies` lists what this build can open")
    }
}

#[async_trait]
impl StrategyFactory for DisabledStrategyFactory {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn settings_key(&self) -> &'static str {
        self.settings_key
    }

    /// The block is the strategy's own to check.
    fn check(&self, _: &Json) -> Result<()> {
        Ok(())
    }

    fn settings_schema(&self) -> Json {
        json!({ "type": "object" })
    }

    fn settings_from_url(&self, url: &str) -> Result<Option<Json>> {
        Ok(url.starts_with(self.scheme).then(|| json!({})))
    }

    async fn open(&self, _: &Json, _: OpenOptions) -> Result<Arc<dyn StorageStrategy>> {
        Err(self.refuse())
    }
}
