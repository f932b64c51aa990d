//! Strategies that are known by name and cannot be opened by this build.
//! Their configuration blocks load, so that one file can serve several builds.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::{Error, ErrorKind, OpenOptions, Result, StorageStrategy, StrategyFactory};
use serde_json::{Value as Json, json};

/// A strategy that this build does not offer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlannedFactory {
    name: &'static str,
    summary: &'static str,
    settings_key: &'static str,
    scheme: &'static str,
    reason: &'static str,
}

const NOT_YET: &str = "not yet supported in this build";

impl PlannedFactory {
    /// All that this build does not offer. A strategy left out by a cargo
    /// feature is one of them.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self {
            name: "postgresql",
            summary: "a PostgreSQL database",
            settings_key: "sql_strategy",
            scheme: "postgresql:",
            reason: NOT_YET,
        }];
        if cfg!(not(feature = "json")) {
            all.push(Self::left_out("json", "JSON files", "json_strategy", "json:"));
        }
        if cfg!(not(feature = "sql")) {
            all.push(Self::left_out("sql", "an SQL database", "sql_strategy", "sql:"));
            all.push(Self::left_out("sqlite", "an SQLite database", "sql_strategy", "sqlite:"));
        }
        if cfg!(not(feature = "dynamodb")) {
            let summary = "Amazon DynamoDB tables";
            all.push(Self::left_out("dynamodb", summary, "dynamodb_strategy", "dynamodb:"));
        }
        all
    }

    fn left_out(
        name: &'static str,
        summary: &'static str,
        settings_key: &'static str,
        scheme: &'static str,
    ) -> Self {
        Self { name, summary, settings_key, scheme, reason: "left out of this build" }
    }

    /// The error of opening it.
    pub(crate) fn refuse(&self) -> Error {
        let why = format!("the strategy `{}` is {}", self.name, self.reason);
        Error::new(ErrorKind::Unsupported, "open a store", why)
            .with("strategy", self.name)
            .hint("`repoctl strategies` lists what this build can open")
    }
}

#[async_trait]
impl StrategyFactory for PlannedFactory {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_is_refused_by_name() {
        for factory in PlannedFactory::all() {
            let error = factory.refuse();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.message().contains(factory.name));
        }
    }
}
