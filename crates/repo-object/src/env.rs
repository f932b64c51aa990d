//! What everything below the strategy needs to know of its store: where it is, how it was
//! configured, which collections are declared.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use repo_core::strategy::OpenOptions;
use repo_core::{CollectionName, CollectionSchema};

use crate::config::ObjectSettings;
use crate::hex::Hex16;
use crate::objects::Objects;

/// One opened store's surroundings.
#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) objects: Objects,
    pub(crate) settings: ObjectSettings,
    pub(crate) options: OpenOptions,
    pub(crate) location: String,
    pub(crate) limits: Limits,
    /// The schemas in use: those that `prepare` was called with go before the options'.
    schemas: RwLock<BTreeMap<CollectionName, Arc<CollectionSchema>>>,
}

/// Figures that only tests change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long what a checkpoint made needless stays.
    ///
    /// A process that was stopped knows of an older end of the log. Within this time nothing
    /// is removed that it would take for the end, and before it has passed the process looks
    /// at the checkpoints: see [`stale_after`](Self::stale_after).
    pub(crate) grace: Duration,
    /// How long what is known of the end of the log is believed.
    ///
    /// S3 takes a request for 15 minutes after it was signed. So whatever the clock of this
    /// machine says, a request takes effect within twice 15 minutes and this time of the one
    /// on which it rests: well within an hour.
    pub(crate) stale_after: Duration,
    /// How old what an eventual read shows may be.
    pub(crate) eventual: Duration,
    /// Bytes of documents in one object.
    pub(crate) docs_part: usize,
    /// Bytes of lines in one object of an index.
    pub(crate) index_part: usize,
    /// Bytes of the log behind a checkpoint after which another one is made.
    pub(crate) log_bytes: u64,
    /// Runs of a checkpoint, and bytes of them beside the whole state, after which the whole
    /// state is written anew.
    pub(crate) runs: usize,
    pub(crate) run_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MEBIBYTE: usize = 1_024 * 1_024;
        Self {
            grace: Duration::from_secs(3_600),
            stale_after: Duration::from_secs(300),
            eventual: Duration::from_secs(1),
            docs_part: 32 * MEBIBYTE,
            index_part: 8 * MEBIBYTE,
            log_bytes: 16 * MEBIBYTE as u64,
            runs: 32,
            run_bytes: MEBIBYTE as u64,
        }
    }
}

impl Env {
    pub(crate) fn new(
        objects: Objects,
        settings: ObjectSettings,
        options: OpenOptions,
        limits: Limits,
    ) -> Self {
        let location = format!("object:{}", objects.location());
        Self { objects, settings, options, location, limits, schemas: RwLock::default() }
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
}

/// A fingerprint of what a collection is prepared with, the same in every run and on every
/// machine: id field and indexes.
pub(crate) fn shape_of(schema: &CollectionSchema) -> Hex16 {
    let mut described = schema.id_field.to_string();
    for index in &schema.indexes {
        described.push('\n');
        for field in index {
            described.push_str(&field.to_string());
            described.push('\t');
        }
    }
    Hex16::of_text(&described)
}
