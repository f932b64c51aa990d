//! What everything below the strategy needs to know of its store: where it
//! is, how it was configured, which collections are declared.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Arc, PoisonError, RwLock};

use repo_core::strategy::OpenOptions;
use repo_core::{CollectionName, CollectionSchema};

use crate::config::JsonSettings;
use crate::folder::Folder;
use crate::hooks::Hooks;
use crate::snapshot::ScanRules;

/// The section in which the Open Resource Broker keeps entities of all kinds.
const SHARED_SECTION: &str = "generic";

/// One opened store's surroundings.
#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) folder: Folder,
    pub(crate) settings: JsonSettings,
    pub(crate) options: OpenOptions,
    pub(crate) location: String,
    pub(crate) hooks: Hooks,
    /// The schemas in use: those that `prepare` was called with go before the
    /// options'.
    schemas: RwLock<BTreeMap<CollectionName, Arc<CollectionSchema>>>,
}

impl Env {
    pub(crate) fn new(settings: JsonSettings, options: OpenOptions, hooks: Hooks) -> Self {
        let folder = Folder::new(&settings.base_path);
        let location = folder.location();
        Self { folder, settings, options, location, hooks, schemas: RwLock::default() }
    }

    /// The schema of a collection.
    pub(crate) fn schema(&self, name: &CollectionName) -> Arc<CollectionSchema> {
        let known = self.schemas.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = known.get(name) {
            return Arc::clone(schema);
        }
        drop(known);
        let schema = Arc::new(self.options.schemas.get(name));
        let mut known = self.schemas.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(name.clone()).or_insert(schema))
    }

    /// Remembers the schema that a collection was prepared with.
    pub(crate) fn set_schema(&self, schema: &CollectionSchema) {
        let mut known = self.schemas.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(schema.collection.clone(), Arc::new(schema.clone()));
    }

    /// Runs `work` with the rules for reading data files.
    pub(crate) fn with_rules<T>(
        &self,
        digests: bool,
        set_aside: bool,
        work: impl FnOnce(&ScanRules<'_>) -> T,
    ) -> T {
        let schema = |name: &CollectionName| self.schema(name);
        let max_entity_bytes = self.options.max_entity_bytes;
        let selects = |name: &str| self.options.selects(name);
        let schemas = &self.options.schemas;
        let declared = |name: &str| {
            CollectionName::new(name).is_ok_and(|name| schemas.declared(&name).is_some())
        };
        let may_be_shared = |name: &str| name == SHARED_SECTION && !declared(name);
        work(&ScanRules {
            schema: &schema,
            selects: &selects,
            max_entity_bytes,
            digests,
            set_aside,
            may_be_shared: &may_be_shared,
        })
    }
}

/// A fingerprint of what a collection is prepared with, the same in every run
/// and on every machine: id field and indexes.
pub(crate) fn shape_of(schema: &CollectionSchema) -> u64 {
    let mut described = schema.id_field.to_string();
    for index in &schema.indexes {
        described.push('\n');
        for field in index {
            described.push_str(&field.to_string());
            described.push('\t');
        }
    }
    let hash = blake3::hash(described.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// A hash for tables in memory; not the same in every version of Rust.
pub(crate) fn memory_hash(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
