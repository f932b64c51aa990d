//! Keys of the steps, and what the reference holds under them.

use repo_core::strategy::Record;
use repo_core::{CollectionName, EntityId, Key, Result};

use crate::Store;

pub(super) fn collection(name: &str) -> CollectionName {
    CollectionName::new(name).unwrap()
}

pub(super) fn key(name: &str, id: &str) -> Key {
    Key::new(collection(name), EntityId::new(id).unwrap())
}

pub(super) async fn stored(reference: &Store, key: &Key) -> Result<Option<Record>> {
    let found = reference.get_many(&key.collection, std::slice::from_ref(&key.id)).await?;
    Ok(found.into_iter().next().flatten())
}
