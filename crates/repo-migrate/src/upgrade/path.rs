//! Records of an older schema version, as the target is to hold them.
//!
//! Only the document changes. A record keeps its version and its times, so
//! that the same run meets what it has written before as equal.

use std::collections::BTreeMap;
use std::sync::Arc;

use repo_core::strategy::Record;
use repo_core::{CollectionName, CollectionSchema, Entity, Error, ErrorKind, Result, UpgradePath};

use crate::store_reference::StoreReference;

/// The way that the documents of each collection go; none for those that stay
/// as they are.
pub(crate) type Upgrading = BTreeMap<CollectionName, Arc<UpgradePath>>;

/// The entity with its document upgraded. Whether that carries its id is
/// checked with the other rules: an upgrade never changes the id.
///
/// # Errors
/// `Invalid` when a step cannot be done.
pub(crate) fn entity(path: &UpgradePath, entity: &Entity) -> Result<Entity> {
    Ok(Entity { document: path.apply(&entity.document)?, ..entity.clone() })
}

/// The record as the target is to hold it. One that cannot be upgraded stays
/// as it is: it is reported where records are checked, and here it must only
/// differ.
pub(crate) fn record(path: &UpgradePath, record: Record) -> Record {
    match record {
        Record::Live(mut entity) => {
            if let Ok(document) = path.apply(&entity.document) {
                entity.document = document;
            }
            Record::Live(entity)
        }
        tombstone @ Record::Tombstone(_) => tombstone,
    }
}

/// The way from the schema version of a source to the declared one; none where
/// both are the same.
///
/// # Errors
/// `Unsupported` when there is no way.
pub(crate) fn way(
    schema: &CollectionSchema,
    side: &StoreReference,
    found: u32,
) -> Result<Option<Arc<UpgradePath>>> {
    match schema.upgrade_path(found, schema.schema_version) {
        Some(path) => Ok((!path.is_empty()).then(|| Arc::new(path))),
        None => Err(other_version(schema, side, found).hint(
            "no upgrade leads from one to the other: declare it (`upgrades` in the schema file), \
             or migrate with the schema files that the store was made with",
        )),
    }
}

/// The error for documents of a schema version that cannot be used.
pub(crate) fn other_version(schema: &CollectionSchema, side: &StoreReference, found: u32) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "migrate",
        "the documents have another schema version than the declared one",
    )
    .with("side", side.name())
    .with("store", side.location())
    .with("collection", &schema.collection)
    .with("found", found)
    .with("declared", schema.schema_version)
}
