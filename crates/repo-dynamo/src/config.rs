//! The settings under `storage.dynamodb_strategy`.

use std::collections::BTreeMap;

use repo_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Where the settings stand.
pub(crate) const SETTINGS_AT: &str = "storage.dynamodb_strategy";

/// Longest table prefix: a table's name has at most 255 characters, of which
/// a collection takes 48 and the store's own table fewer.
const MAX_PREFIX_CHARS: usize = 200;

/// The settings of the DynamoDB strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DynamoSettings {
    /// The AWS region; without one it comes from the environment or the
    /// profile.
    pub region: Option<String>,
    /// The profile of the AWS configuration files.
    pub profile: Option<String>,
    /// Another endpoint than AWS's own, for example of DynamoDB Local.
    pub endpoint_url: Option<String>,
    /// The beginning of every table's name: `{table_prefix}_{collection}`.
    pub table_prefix: String,
    /// How new tables are billed.
    pub billing_mode: BillingMode,
    /// Provisioned read capacity units of each new table and index. No effect
    /// with PAY_PER_REQUEST.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub read_capacity: u32,
    /// Provisioned write capacity units of each new table and index. No effect
    /// with PAY_PER_REQUEST.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub write_capacity: u32,
    /// Whether queries, counts and scans always read consistently. They then
    /// read whole tables: DynamoDB's indexes cannot be read consistently.
    pub consistent_reads: bool,
    /// DynamoDB Accelerator. Not yet supported: `true` is refused.
    pub enable_dax: bool,
    /// Scaling of the provisioned capacity. Not yet supported: refused unless
    /// it is off.
    pub auto_scaling: AutoScaling,
}

/// How tables are billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BillingMode {
    /// By request.
    #[default]
    PayPerRequest,
    /// By provisioned capacity.
    Provisioned,
}

/// A switch, or an object with a switch and the bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum AutoScaling {
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

impl AutoScaling {
    fn is_on(&self) -> bool {
        match self {
            Self::Switch(on) => *on,
            Self::Bounds { enabled, .. } => *enabled,
        }
    }
}

impl Default for DynamoSettings {
    fn default() -> Self {
        Self {
            region: None,
            profile: None,
            endpoint_url: None,
            table_prefix: "hostfactory".to_owned(),
            billing_mode: BillingMode::PayPerRequest,
            read_capacity: 5,
            write_capacity: 5,
            consistent_reads: false,
            enable_dax: false,
            auto_scaling: AutoScaling::default(),
        }
    }
}

impl DynamoSettings {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// `ConfigInvalid` for an unknown key or a wrong value; `Unsupported` for
    /// what is not yet supported.
    pub fn read(settings: &Json) -> Result<Self> {
        let settings: Self = repo_core::strategy::read_settings(SETTINGS_AT, settings)?;
        settings.check()?;
        Ok(settings)
    }

    /// Checks settings, also those that a program made.
    pub(crate) fn check(&self) -> Result<()> {
        for (name, on) in
            [("enable_dax", self.enable_dax), ("auto_scaling", self.auto_scaling.is_on())]
        {
            if on {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "read the configuration",
                    format!("{name} is not yet supported"),
                )
                .with("at", format!("{SETTINGS_AT}.{name}"))
                .hint("set it to false"));
            }
        }
        for (name, units) in
            [("read_capacity", self.read_capacity), ("write_capacity", self.write_capacity)]
        {
            if units == 0 {
                return Err(refuse(name, "a capacity is 1 or more units"));
            }
        }
        check_prefix(&self.table_prefix)?;
        self.check_texts()
    }

    fn check_texts(&self) -> Result<()> {
        for (name, text) in [("region", &self.region), ("profile", &self.profile)] {
            if text.as_ref().is_some_and(String::is_empty) {
                return Err(refuse(name, "it is empty").hint("leave the setting out"));
            }
        }
        match &self.endpoint_url {
            Some(url) if !(url.starts_with("http://") || url.starts_with("https://")) => {
                Err(refuse("endpoint_url", "it does not begin with http:// or https://"))
            }
            _ => Ok(()),
        }
    }
}

fn check_prefix(prefix: &str) -> Result<()> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if prefix.is_empty() || prefix.len() > MAX_PREFIX_CHARS || !prefix.chars().all(known) {
        let why = "a prefix is 1 to 200 letters, digits, and the characters _ - .";
        let refused = refuse("table_prefix", why).with("characters", prefix.chars().count());
        // Not the whole: somebody may have typed a URL with a password.
        return Err(match prefix.chars().find(|c| !known(*c)) {
            Some(unknown) => refused.with("found", format!("{unknown:?}")),
            None => refused,
        });
    }
    Ok(())
}

pub(crate) fn refuse(name: &str, why: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "read the configuration", why)
        .with("at", format!("{SETTINGS_AT}.{name}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_blocks_that_operators_have_load() {
        let known = json!({
            "region": "us-east-1", "profile": "production", "table_prefix": "hostfactory",
            "read_capacity": 5, "write_capacity": 5, "billing_mode": "PAY_PER_REQUEST",
            "auto_scaling": { "enabled": false, "min_read_capacity": 1 },
        });
        let settings = DynamoSettings::read(&known).unwrap();
        assert_eq!(settings.region.as_deref(), Some("us-east-1"));
        assert_eq!(DynamoSettings::read(&json!({})).unwrap(), DynamoSettings::default());
    }

    #[test]
    fn what_is_not_supported_or_wrong_is_refused_by_name() {
        for (block, kind, word) in [
            (json!({"enable_dax": true}), ErrorKind::Unsupported, "enable_dax"),
            (json!({"auto_scaling": true}), ErrorKind::Unsupported, "auto_scaling"),
            (json!({"auto_scaling": {"enabled": true}}), ErrorKind::Unsupported, "auto_scaling"),
            (json!({"regoin": "x"}), ErrorKind::ConfigInvalid, "regoin"),
            (json!({"table_prefix": ""}), ErrorKind::ConfigInvalid, "table_prefix"),
            (json!({"table_prefix": "a b"}), ErrorKind::ConfigInvalid, "table_prefix"),
            (json!({"table_prefix": "x".repeat(201)}), ErrorKind::ConfigInvalid, "table_prefix"),
            (json!({"read_capacity": 0}), ErrorKind::ConfigInvalid, "read_capacity"),
            (json!({"write_capacity": -1}), ErrorKind::ConfigInvalid, "write_capacity"),
            (json!({"billing_mode": "FREE"}), ErrorKind::ConfigInvalid, "billing_mode"),
            (json!({"endpoint_url": "localhost:1"}), ErrorKind::ConfigInvalid, "endpoint_url"),
            (json!({"region": ""}), ErrorKind::ConfigInvalid, "region"),
        ] {
            let error = DynamoSettings::read(&block).unwrap_err();
            assert_eq!(error.kind(), kind, "{block}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
