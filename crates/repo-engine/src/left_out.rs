//! Strategies that are known by name and were left out of this build.
//! Their configuration blocks load, so that one file can serve several builds.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::Result;
use repo_core::strategy::{OpenOptions, Scratch, StorageStrategy, StrategyFactory, left_out};
use serde_json::{Value as Json, json};

/// A strategy that this build was made without, by a cargo feature.
#[derive(Debug, Clone, Copy)]
struct LeftOutFactory {
    name: &'static str,
    summary: &'static str,
    settings_key: &'static str,
    scheme: &'static str,
    feature: &'static str,
}

/// Every strategy that the project knows and this build does not offer.
pub(crate) fn all() -> Vec<impl StrategyFactory + 'static> {
    let of = |name, summary, settings_key, scheme, feature| LeftOutFactory {
        name,
        summary,
        settings_key,
        scheme,
        feature,
    };
    let sql = |name, summary, scheme, feature| of(name, summary, "sql_strategy", scheme, feature);
    let mut known = Vec::new();
    if cfg!(not(feature = "json")) {
        known.push(of("json", "JSON files", "json_strategy", "json:", "json"));
    }
    // With one of its features on, repo-sql refuses for the other itself.
    if cfg!(not(any(feature = "sqlite", feature = "postgres"))) {
        known.push(sql("sql", "a SQL database", "sql:", "sqlite"));
        known.push(sql("sqlite", "a SQLite database", "sqlite:", "sqlite"));
        known.push(sql("postgresql", "a PostgreSQL database", "postgres", "postgres"));
    }
    if cfg!(not(feature = "files")) {
        known.push(of(
            "files",
            "JSON files of another program, only read",
            "files_strategy",
            "files:",
            "files",
        ));
    }
    if cfg!(not(feature = "dynamodb")) {
        let summary = "Amazon DynamoDB tables";
        known.push(of("dynamodb", summary, "dynamodb_strategy", "dynamodb:", "dynamodb"));
    }
    if cfg!(not(feature = "object")) {
        let summary = "objects in S3-compatible storage";
        known.push(of("object", summary, "object_strategy", "object:", "object"));
    }
    known
}

#[async_trait]
impl StrategyFactory for LeftOutFactory {
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

    fn check_built_in(&self) -> Result<()> {
        Err(left_out(self.name, self.feature))
    }

    async fn open(&self, _: &Json, _: OpenOptions) -> Result<Arc<dyn StorageStrategy>> {
        Err(left_out(self.name, self.feature))
    }

    fn scratch(&self, _: &Json) -> Result<Scratch> {
        Err(left_out(self.name, self.feature))
    }
}
