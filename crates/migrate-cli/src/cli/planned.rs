//! Strategies that are known by name and cannot be opened by this build.
//! Their configuration blocks load, so that one file can serve several builds.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use repo_core::config::read_settings;
use repo_core::{Error, ErrorKind, OpenOptions, Result, StorageStrategy, StrategyFactory};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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
            name: "dynamodb",
            summary: "Amazon DynamoDB tables",
            settings_key: "dynamodb_strategy",
            scheme: "dynamodb:",
            reason: NOT_YET,
        }];
        if cfg!(not(feature = "json")) {
            all.push(Self::left_out("json", "JSON files", "json_strategy", "json:"));
        }
        if cfg!(not(feature = "sql")) {
            all.push(Self::left_out("sql", "an SQL database", "sql_strategy", "sql:"));
            all.push(Self::left_out("sqlite", "an SQLite database", "sql_strategy", "sqlite:"));
            let postgres = ("postgresql", "a PostgreSQL database", "sql_strategy", "postgres");
            all.push(Self::left_out(postgres.0, postgres.1, postgres.2, postgres.3));
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

    fn check(&self, settings: &Json) -> Result<()> {
        match self.settings_key {
            "dynamodb_strategy" => {
                read_settings::<DynamoSettings>("storage.dynamodb_strategy", settings)?.check()
            }
            // The SQL block is the SQL strategy's own to check.
            _ => Ok(()),
        }
    }

    fn settings_schema(&self) -> Json {
        match self.settings_key {
            "dynamodb_strategy" => {
                let settings = schemars::generate::SchemaSettings::draft2020_12().with(|s| {
                    s.inline_subschemas = true;
                    s.meta_schema = None;
                });
                settings.into_generator().into_root_schema_for::<DynamoSettings>().to_value()
            }
            _ => json!({ "type": "object" }),
        }
    }

    fn settings_from_url(&self, url: &str) -> Result<Option<Json>> {
        Ok(url.starts_with(self.scheme).then(|| json!({})))
    }

    async fn open(&self, _: &Json, _: OpenOptions) -> Result<Arc<dyn StorageStrategy>> {
        Err(self.refuse())
    }
}

/// The settings of the DynamoDB strategy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct DynamoSettings {
    /// The AWS region.
    region: Option<String>,
    /// The profile of the AWS configuration.
    profile: Option<String>,
    /// Another endpoint than AWS's own.
    endpoint_url: Option<String>,
    /// The beginning of every table's name.
    table_prefix: Option<String>,
    /// How tables are billed.
    billing_mode: Option<BillingMode>,
    /// Provisioned read capacity units of each table.
    read_capacity: Option<u64>,
    /// Provisioned write capacity units of each table.
    write_capacity: Option<u64>,
    /// Whether queries read consistently by default.
    consistent_reads: bool,
    /// DynamoDB Accelerator. Not yet supported: `true` is refused.
    enable_dax: bool,
    /// Scaling of the provisioned capacity. Not yet supported: refused unless
    /// it is off.
    auto_scaling: AutoScaling,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum BillingMode {
    /// By request.
    PayPerRequest,
    /// By provisioned capacity.
    Provisioned,
}

/// A switch, or an object with a switch and the bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum AutoScaling {
    /// The switch alone.
    Switch(bool),
    /// The switch and the bounds.
    Bounds {
        /// The switch.
        #[serde(default)]
        enabled: bool,
        /// Capacity bounds and the target utilisation in percent.
        #[serde(flatten)]
        bounds: BTreeMap<String, u64>,
    },
}

impl Default for AutoScaling {
    fn default() -> Self {
        Self::Switch(false)
    }
}

impl DynamoSettings {
    fn check(&self) -> Result<()> {
        let scaling = match &self.auto_scaling {
            AutoScaling::Switch(on) => *on,
            AutoScaling::Bounds { enabled, .. } => *enabled,
        };
        for (name, on) in [("enable_dax", self.enable_dax), ("auto_scaling", scaling)] {
            if on {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "read the configuration",
                    format!("{name} is not yet supported"),
                )
                .with("at", format!("storage.dynamodb_strategy.{name}"))
                .hint("set it to false"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dynamodb() -> PlannedFactory {
        PlannedFactory::all().into_iter().find(|factory| factory.name == "dynamodb").unwrap()
    }

    #[test]
    fn the_dynamodb_block_loads_and_unsupported_values_are_named() {
        let known = json!({
            "region": "us-east-1", "profile": "production", "table_prefix": "hostfactory",
            "read_capacity": 5, "write_capacity": 5, "billing_mode": "PAY_PER_REQUEST",
            "auto_scaling": { "enabled": false, "min_read_capacity": 1 },
        });
        dynamodb().check(&known).unwrap();
        for (block, kind, word) in [
            (json!({"enable_dax": true}), ErrorKind::Unsupported, "enable_dax"),
            (json!({"auto_scaling": true}), ErrorKind::Unsupported, "auto_scaling"),
            (json!({"auto_scaling": {"enabled": true}}), ErrorKind::Unsupported, "auto_scaling"),
            (json!({"regoin": "x"}), ErrorKind::ConfigInvalid, "regoin"),
        ] {
            let error = dynamodb().check(&block).unwrap_err();
            assert_eq!(error.kind(), kind, "{block}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn opening_says_that_it_is_not_yet_supported() {
        for factory in PlannedFactory::all() {
            let error = factory.refuse();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.message().contains(factory.name));
        }
    }
}
