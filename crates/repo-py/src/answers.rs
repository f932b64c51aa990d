//! What a store answers, in the types of Python.

use repo_core::strategy::{Record, StorageStrategy};
use repo_core::{CollectionName, EntityId, Result, Version, Written};

use crate::entity::Entity;

/// The live entities of ids, in their order.
pub(crate) async fn get_many(
    strategy: &dyn StorageStrategy,
    collection: CollectionName,
    ids: Vec<EntityId>,
) -> Result<Vec<Option<Entity>>> {
    let records = strategy.get_many(&collection, &ids).await?;
    let live = |record: Option<Record>| record.and_then(Record::into_live).map(Entity::from);
    Ok(records.into_iter().map(live).collect())
}

/// The versions that a commit left.
pub(crate) fn versions(written: &[Written]) -> Vec<Option<u64>> {
    written.iter().map(|one| one.version().map(Version::get)).collect()
}
