//! Types that are kept in collections, and what is read back of them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{CollectionSchema, Entity, EntityId, Result, Timestamp, Version};

/// A type that is kept in a collection. `repo-engine` has a derive for it, which
/// makes the schema from the type as well.
pub trait Model: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of its collection.
    const COLLECTION: &'static str;

    /// Its id, the same text as in its id field.
    fn id(&self) -> &str;

    /// The schema of its collection: id field, indexes, references. `None` where
    /// the schema stands elsewhere, as in a `*.schema.json` file.
    ///
    /// # Errors
    /// `ConfigInvalid` when what is declared is no schema.
    fn schema() -> Result<Option<CollectionSchema>> {
        Ok(None)
    }
}

/// A typed value with its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<E> {
    /// The value.
    pub value: E,
    /// Its id.
    pub id: EntityId,
    /// Its version, for `update` and `delete`.
    pub version: Version,
    /// When it was created.
    pub created_at: Timestamp,
    /// When this version was written.
    pub updated_at: Timestamp,
}

impl<E> Stored<E> {
    /// The same with a changed value, for `update`.
    #[must_use]
    pub fn changed(mut self, change: impl FnOnce(&mut E)) -> Self {
        change(&mut self.value);
        self
    }
}

impl<E: Model> Stored<E> {
    /// The value of an entity.
    ///
    /// # Errors
    /// `Invalid`, with the key, when the document does not fit the type.
    pub fn from_entity(entity: Entity) -> Result<Self> {
        let value =
            entity.document.deserialize().map_err(|error| error.with("key", entity.key()))?;
        Ok(Self {
            value,
            id: entity.id,
            version: entity.version,
            created_at: entity.created_at,
            updated_at: entity.updated_at,
        })
    }
}
