//! The typed face of a strategy: [`Repository`].

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::strategy::{StorageStrategy, StorageStrategyExt as _};
use crate::{
    CollectionName, Consistency, Document, Entity, EntityId, Filter, Key, Precondition, Query,
    Result, Timestamp, Version, Write, Written,
};

/// A type that is kept in a collection.
pub trait Model: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of its collection.
    const COLLECTION: &'static str;

    /// Its id, the same text as in its id field.
    fn id(&self) -> &str;
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

/// A repository of one kind of entity, over whatever store is configured.
/// Object-safe for a given `E`, so that callers can hold
/// `Arc<dyn Repository<E>>` and tests can put their own in its place.
#[async_trait]
pub trait Repository<E: Model>: Send + Sync {
    /// Stores a value whether or not it is there. Returns its version.
    async fn save(&self, value: &E) -> Result<Version>;

    /// Stores a new value.
    ///
    /// # Errors
    /// `AlreadyExists` when it is there.
    async fn create(&self, value: &E) -> Result<Version>;

    /// Stores a value over the expected version.
    ///
    /// # Errors
    /// `NotFound` when it is not there, `Conflict` when it has another version.
    async fn update(&self, value: &E, expected: Version) -> Result<Version>;

    /// Deletes the value of the expected version.
    ///
    /// # Errors
    /// `NotFound` when it is not there, `Conflict` when it has another version.
    async fn delete(&self, id: &EntityId, expected: Version) -> Result<()>;

    /// The value, or `None`. Sees every acknowledged write.
    async fn find_by_id(&self, id: &EntityId) -> Result<Option<Stored<E>>>;

    /// Every value, streamed page by page.
    fn find_all(&self) -> BoxStream<'_, Result<Stored<E>>>;

    /// Every value that the query matches, streamed page by page; with a limit
    /// at most that many.
    fn find_by_criteria(&self, query: Query) -> BoxStream<'_, Result<Stored<E>>>;

    /// Whether it is there. Sees every acknowledged write.
    async fn exists(&self, id: &EntityId) -> Result<bool>;

    /// How many values match.
    async fn count(&self, filter: &Filter) -> Result<u64>;

    /// Stores all values or none. Returns their versions in order.
    ///
    /// # Errors
    /// `LimitExceeded` above the store's limits for one commit.
    async fn save_batch(&self, values: &[E]) -> Result<Vec<Version>>;

    /// Deletes all that are there, atomically. Returns how many were.
    ///
    /// # Errors
    /// `LimitExceeded` above the store's limits for one commit.
    async fn delete_batch(&self, ids: &[EntityId]) -> Result<u64>;
}

/// The repository over a [`StorageStrategy`].
#[derive(Debug, Clone)]
pub struct StoreRepository<E> {
    strategy: Arc<dyn StorageStrategy>,
    collection: CollectionName,
    kind: PhantomData<fn() -> E>,
}

impl<E: Model> StoreRepository<E> {
    /// A repository for `E` over `strategy`.
    ///
    /// # Errors
    /// `Invalid` when [`Model::COLLECTION`] is not a collection name.
    pub fn new(strategy: Arc<dyn StorageStrategy>) -> Result<Self> {
        Ok(Self { strategy, collection: CollectionName::new(E::COLLECTION)?, kind: PhantomData })
    }

    fn key(&self, id: EntityId) -> Key {
        Key::new(self.collection.clone(), id)
    }

    fn put(&self, value: &E, precondition: Precondition) -> Result<Write> {
        let key = self.key(EntityId::new(value.id())?);
        Ok(Write::put(key, Document::from_serialize(value)?, precondition))
    }

    async fn write(&self, write: Write) -> Result<Version> {
        let written = self.strategy.commit(vec![write]).await?;
        versions(&written).next().ok_or_else(missing_answer)
    }
}

fn versions(written: &[Written]) -> impl Iterator<Item = Version> {
    written.iter().filter_map(|written| written.version())
}

fn missing_answer() -> crate::Error {
    crate::Error::new(crate::ErrorKind::Corrupt, "commit", "the store gave no version")
}

fn typed<E: Model>(entity: Entity) -> Result<Stored<E>> {
    let value = entity.document.deserialize().map_err(|error| error.with("key", entity.key()))?;
    Ok(Stored {
        value,
        id: entity.id,
        version: entity.version,
        created_at: entity.created_at,
        updated_at: entity.updated_at,
    })
}

#[async_trait]
impl<E: Model> Repository<E> for StoreRepository<E> {
    async fn save(&self, value: &E) -> Result<Version> {
        self.write(self.put(value, Precondition::Any)?).await
    }

    async fn create(&self, value: &E) -> Result<Version> {
        self.write(self.put(value, Precondition::Absent)?).await
    }

    async fn update(&self, value: &E, expected: Version) -> Result<Version> {
        self.write(self.put(value, Precondition::Version(expected))?).await
    }

    async fn delete(&self, id: &EntityId, expected: Version) -> Result<()> {
        let write = Write::delete(self.key(id.clone()), Precondition::Version(expected));
        self.write(write).await.map(|_| ())
    }

    async fn find_by_id(&self, id: &EntityId) -> Result<Option<Stored<E>>> {
        self.strategy.get(&self.collection, id).await?.map(typed).transpose()
    }

    fn find_all(&self) -> BoxStream<'_, Result<Stored<E>>> {
        self.find_by_criteria(Query::all())
    }

    fn find_by_criteria(&self, query: Query) -> BoxStream<'_, Result<Stored<E>>> {
        let entities = self.strategy.stream(&self.collection, query);
        entities.map(|entity| entity.and_then(typed)).boxed()
    }

    async fn exists(&self, id: &EntityId) -> Result<bool> {
        Ok(self.strategy.get(&self.collection, id).await?.is_some())
    }

    async fn count(&self, filter: &Filter) -> Result<u64> {
        self.strategy.count(&self.collection, filter, Consistency::Eventual).await
    }

    async fn save_batch(&self, values: &[E]) -> Result<Vec<Version>> {
        let writes =
            values.iter().map(|value| self.put(value, Precondition::Any)).collect::<Result<_>>()?;
        Ok(versions(&self.strategy.commit(writes).await?).collect())
    }

    async fn delete_batch(&self, ids: &[EntityId]) -> Result<u64> {
        let delete = |id: &EntityId| Write::delete(self.key(id.clone()), Precondition::Any);
        let written = self.strategy.commit(ids.iter().map(delete).collect()).await?;
        Ok(versions(&written).count() as u64)
    }
}
