//! The `storage` section as a type.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use repo_core::DEFAULT_MAX_ENTITY_BYTES;
use repo_layers::LayerConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `storage` section, without the strategies' own settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// The name of the storage strategy.
    pub strategy: String,
    /// The folder with the `*.schema.json` files of the collections; without
    /// one the three Host Factory collections are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schemas: Option<PathBuf>,
    /// Whether written documents are checked against their collection's JSON
    /// Schema.
    pub validate_documents: bool,
    /// What stands around the store, the outermost first.
    pub layers: Vec<LayerConfig>,
    /// Places, as URLs, that the store may move to while programs use it. A program
    /// follows it to these and to no other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// Limits beyond those of the contract.
    pub limits: Limits,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            strategy: "json".to_owned(),
            schemas: None,
            validate_documents: false,
            layers: Vec::new(),
            routes: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// Limits of what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most bytes of one document, by DynamoDB's size formula. Above the
    /// default of 380 KiB a document no longer fits into every store.
    #[schemars(range(min = 1))]
    pub max_entity_bytes: NonZeroUsize,
}

impl Default for Limits {
    fn default() -> Self {
        let max_entity_bytes =
            NonZeroUsize::new(DEFAULT_MAX_ENTITY_BYTES).unwrap_or(NonZeroUsize::MIN);
        Self { max_entity_bytes }
    }
}
