//! The repository over a [`StorageStrategy`].

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt as _};

use crate::strategy::{Record, StorageStrategy, StorageStrategyExt as _};
use crate::{
    Aggregates, Aggregation, CollectionName, Condition, Consistency, Document, EntityId,
    EntityQuery, Error, ErrorKind, Filter, Key, Model, Precondition, Query, Repository, Result,
    Stored, Version, Write, Written,
};

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

    /// A query, to be refined and then collected or streamed. Takes a
    /// [condition](crate::field) or a [`Filter`].
    pub fn query(&self, condition: impl Into<Condition>) -> EntityQuery<'_, E> {
        EntityQuery::new(self, condition.into())
    }

    /// The value of an id, or `None`. Sees every acknowledged write.
    ///
    /// # Errors
    /// `Invalid` when it is not an id or the document does not fit the type; else
    /// those of the store.
    pub async fn get(&self, id: &str) -> Result<Option<Stored<E>>> {
        self.find_by_id(&EntityId::new(id)?).await
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

fn missing_answer() -> Error {
    Error::new(ErrorKind::Corrupt, "commit", "the store gave no version")
}

#[async_trait]
impl<E: Model> Repository<E> for StoreRepository<E> {
    async fn save(&self, value: &E) -> Result<Version> {
        self.write(self.put(value, Precondition::Any)?).await
    }

    async fn create(&self, value: &E) -> Result<Version> {
        self.write(self.put(value, Precondition::Absent)?).await
    }

    async fn update_version(&self, value: &E, expected: Version) -> Result<Version> {
        self.write(self.put(value, Precondition::Version(expected))?).await
    }

    async fn delete_version(&self, id: &EntityId, expected: Version) -> Result<()> {
        let write = Write::delete(self.key(id.clone()), Precondition::Version(expected));
        self.write(write).await.map(|_| ())
    }

    async fn find_by_id(&self, id: &EntityId) -> Result<Option<Stored<E>>> {
        self.strategy.get(&self.collection, id).await?.map(Stored::from_entity).transpose()
    }

    async fn find_many(&self, ids: &[EntityId]) -> Result<Vec<Option<Stored<E>>>> {
        let records = self.strategy.get_many(&self.collection, ids).await?;
        let typed = |record: Option<Record>| {
            record.and_then(Record::into_live).map(Stored::from_entity).transpose()
        };
        records.into_iter().map(typed).collect()
    }

    fn find_all(&self) -> BoxStream<'_, Result<Stored<E>>> {
        self.find_by_criteria(Query::all())
    }

    fn find_by_criteria(&self, query: Query) -> BoxStream<'_, Result<Stored<E>>> {
        let entities = self.strategy.stream(&self.collection, query);
        entities.map(|entity| entity.and_then(Stored::from_entity)).boxed()
    }

    async fn exists(&self, id: &EntityId) -> Result<bool> {
        Ok(self.strategy.get(&self.collection, id).await?.is_some())
    }

    async fn count(&self, filter: &Filter, consistency: Consistency) -> Result<u64> {
        self.strategy.count(&self.collection, filter, consistency).await
    }

    async fn aggregate(&self, aggregation: &Aggregation) -> Result<Aggregates> {
        self.strategy.aggregate(&self.collection, aggregation).await
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
