//! What is there already of the layout of a collection.

use std::collections::BTreeMap;

use super::CaptureTriggers;
use super::digest::{DIGEST_COLUMN, DIGEST_DEFINITION, Digest};

/// What the database holds of one collection already.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) schema_version: u32,
    /// Generated columns by name, with their definitions.
    pub(crate) columns: BTreeMap<String, String>,
    /// Indexes by name, with their definitions.
    pub(crate) indexes: BTreeMap<String, String>,
    pub(crate) view: Option<String>,
    /// The statement that made the trigger under the name of that of the digests.
    pub(crate) digest_trigger: Option<String>,
    /// The statements that made the triggers under the names of those that capture,
    /// as far as they are there.
    pub(crate) capture_triggers: [Option<String>; 2],
    /// Whether the trigger is there that keeps older versions.
    pub(crate) keeps_versions: bool,
}

impl Made {
    /// Whether each record has its digest, and the trigger that belongs to it.
    pub(crate) fn has_digest(&self, digest: &Digest) -> bool {
        self.has_digest_column() && self.digest_trigger.as_ref() == Some(&digest.trigger_definition)
    }

    /// Whether every write of the collection is captured.
    pub(crate) fn is_captured(&self, capture: &CaptureTriggers) -> bool {
        self.capture_triggers
            .iter()
            .zip(&capture.definitions)
            .all(|(made, wanted)| made.as_ref() == Some(wanted))
    }

    pub(crate) fn has_digest_column(&self) -> bool {
        self.columns.get(DIGEST_COLUMN).is_some_and(|made| made == DIGEST_DEFINITION)
    }
}
