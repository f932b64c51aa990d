//! Where intents and markers are.

use repo_core::{CollectionName, CollectionSchema, Key, Result};

use crate::intent_id::IntentId;

/// The collection of the first store that holds one record for each commit that has not ended.
pub const INTENTS: &str = "engine_intents";
/// The collection of the second store that holds what was decided about such a commit.
pub const MARKERS: &str = "engine_markers";

/// The schemas of both collections, to be opened or prepared with others. Each store may have
/// both: it can be the first of one pair and the second of another.
///
/// # Errors
/// None in practice: the names are constant.
pub fn schemas() -> Result<Vec<CollectionSchema>> {
    [INTENTS, MARKERS].into_iter().map(|name| collection(name).map(undeclared)).collect()
}

fn undeclared(collection: CollectionName) -> CollectionSchema {
    CollectionSchema::undeclared(collection)
}

pub(crate) fn collection(name: &str) -> Result<CollectionName> {
    CollectionName::new(name)
}

/// Whether records of a collection are for this crate alone.
pub(crate) fn is_reserved(collection: &CollectionName) -> bool {
    [INTENTS, MARKERS].contains(&collection.as_str())
}

pub(crate) fn intent_key(id: IntentId) -> Result<Key> {
    Ok(Key::new(collection(INTENTS)?, id.entity_id()?))
}

pub(crate) fn marker_key(id: IntentId) -> Result<Key> {
    Ok(Key::new(collection(MARKERS)?, id.entity_id()?))
}
