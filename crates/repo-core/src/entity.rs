//! A live document with its key and metadata.

use crate::{CollectionName, Document, EntityId, Key, Timestamp, Version};

/// A live document with its key and metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// The collection it belongs to.
    pub collection: CollectionName,
    /// Its id within the collection.
    pub id: EntityId,
    /// Its version, one higher with each write.
    pub version: Version,
    /// When it was created; survives updates, not a delete.
    pub created_at: Timestamp,
    /// When this version was written.
    pub updated_at: Timestamp,
    /// The document.
    pub document: Document,
}

impl Entity {
    /// Its collection and id.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::new(self.collection.clone(), self.id.clone())
    }
}
