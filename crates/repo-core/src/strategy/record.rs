//! Records: entities and tombstones.

use crate::{CollectionName, Document, Entity, EntityId, Key, Timestamp, Version};

/// What remains of a deleted entity: its id and version, so that a re-created
/// entity never repeats a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The collection it belongs to.
    pub collection: CollectionName,
    /// The id of the deleted entity.
    pub id: EntityId,
    /// The version of the delete.
    pub version: Version,
    /// When the entity was deleted.
    pub deleted_at: Timestamp,
}

/// What a strategy stores under a key: a live entity or a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A live entity.
    Live(Entity),
    /// A deleted id.
    Tombstone(Tombstone),
}

impl Record {
    /// The collection.
    #[must_use]
    pub fn collection(&self) -> &CollectionName {
        match self {
            Self::Live(entity) => &entity.collection,
            Self::Tombstone(tombstone) => &tombstone.collection,
        }
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &EntityId {
        match self {
            Self::Live(entity) => &entity.id,
            Self::Tombstone(tombstone) => &tombstone.id,
        }
    }

    /// Collection and id.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::new(self.collection().clone(), self.id().clone())
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        match self {
            Self::Live(entity) => entity.version,
            Self::Tombstone(tombstone) => tombstone.version,
        }
    }

    /// When this version was written.
    #[must_use]
    pub fn updated_at(&self) -> Timestamp {
        match self {
            Self::Live(entity) => entity.updated_at,
            Self::Tombstone(tombstone) => tombstone.deleted_at,
        }
    }

    /// The document of a live entity.
    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        match self {
            Self::Live(entity) => Some(&entity.document),
            Self::Tombstone(_) => None,
        }
    }

    /// Whether this is a live entity.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }

    /// The live entity, if it is one.
    #[must_use]
    pub fn into_live(self) -> Option<Entity> {
        match self {
            Self::Live(entity) => Some(entity),
            Self::Tombstone(_) => None,
        }
    }

    /// Whether both say the same of their key: same version, same liveness and
    /// equal documents. Timestamps do not count.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        self.version() == other.version() && self.same_but_for_version(other)
    }

    /// Whether both are deleted, or live with equal documents.
    #[must_use]
    pub fn same_but_for_version(&self, other: &Self) -> bool {
        match (self.document(), other.document()) {
            (Some(mine), Some(theirs)) => mine.equals(theirs),
            (None, None) => true,
            _ => false,
        }
    }

    /// What `apply` answers for this record against the `stored` one.
    #[must_use]
    pub fn compare_to_stored(&self, stored: Option<&Self>) -> crate::strategy::Applied {
        use crate::strategy::Applied;
        match stored {
            None => Applied::Applied,
            Some(stored) if self.version() > stored.version() => Applied::Applied,
            Some(stored) if self.version() < stored.version() => Applied::Older,
            Some(stored) if self.same_content(stored) => Applied::Equal,
            Some(_) => Applied::Diverged,
        }
    }
}
