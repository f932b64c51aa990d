//! Conveniences over the contract, the same for every strategy.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use crate::strategy::{Prepared, ScanOptions, StorageStrategy, as_stored};
use crate::{
    CollectionName, CollectionSchema, Consistency, Document, Entity, EntityId, Error, ErrorKind,
    Key, Precondition, Query, Result, UpgradePath, Version, Write, Written,
};

/// Conveniences that every [`StorageStrategy`] has. They are not methods of
/// the trait itself, so that no strategy can get them wrong.
#[async_trait]
pub trait StorageStrategyExt: StorageStrategy {
    /// The live entity, or `None`. Strong.
    async fn get(&self, collection: &CollectionName, id: &EntityId) -> Result<Option<Entity>> {
        let records = self.get_many(collection, std::slice::from_ref(id)).await?;
        Ok(records.into_iter().next().flatten().and_then(crate::strategy::Record::into_live))
    }

    /// Stores a document whether or not the entity is there.
    async fn save(&self, key: Key, document: Document) -> Result<Entity> {
        self.put(key, document, Precondition::Any).await
    }

    /// Stores a new entity.
    ///
    /// # Errors
    /// `AlreadyExists` when there is a live entity.
    async fn create(&self, key: Key, document: Document) -> Result<Entity> {
        self.put(key, document, Precondition::Absent).await
    }

    /// Stores a document over the expected version.
    ///
    /// # Errors
    /// `NotFound` when there is no live entity, `Conflict` when it has
    /// another version.
    async fn update(&self, key: Key, document: Document, expected: Version) -> Result<Entity> {
        self.put(key, document, Precondition::Version(expected)).await
    }

    /// Stores one document if the precondition holds.
    async fn put(
        &self,
        key: Key,
        document: Document,
        precondition: Precondition,
    ) -> Result<Entity> {
        let write = Write::put(key.clone(), document.clone(), precondition);
        match only(self.commit(vec![write]).await?)? {
            Written::Put { version, created_at, updated_at } => Ok(Entity {
                collection: key.collection,
                id: key.id,
                version,
                created_at,
                updated_at,
                document,
            }),
            other => Err(unexpected("put", other)),
        }
    }

    /// The collections among `schemas` that hold records of another schema
    /// version and can be upgraded to the declared one, each with the way.
    async fn outdated(
        &self,
        schemas: &[CollectionSchema],
    ) -> Result<Vec<(CollectionName, UpgradePath)>> {
        let recorded = match self.store_record().await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            record => record?,
        };
        let mut outdated = Vec::new();
        for schema in schemas {
            let name = &schema.collection;
            // What is being loaded cannot be looked at: it holds something.
            let (state, loading) = match recorded.collections.get(name) {
                Some(state) => (state, false),
                None => match recorded.loading.get(name) {
                    Some(state) => (state, true),
                    None => continue,
                },
            };
            let path = schema.upgrade_path(state.schema_version, schema.schema_version);
            if let Some(path) = path.filter(|path| !path.is_empty())
                && (loading || holds_records(self, name).await?)
            {
                outdated.push((name.clone(), path));
            }
        }
        Ok(outdated)
    }

    /// Like [`prepare`](StorageStrategy::prepare), but a collection that has
    /// to be upgraded keeps the schema version of its records: only an upgrade
    /// raises it. Everything else about it is made as declared.
    async fn prepare_keeping_versions(
        &self,
        schemas: &[CollectionSchema],
    ) -> Result<Vec<Prepared>> {
        let outdated = self.outdated(schemas).await?;
        let kept = |schema: &CollectionSchema| {
            let found = outdated.iter().find(|(name, _)| *name == schema.collection);
            let schema_version = found.map_or(schema.schema_version, |(_, path)| path.from());
            CollectionSchema { schema_version, ..schema.clone() }
        };
        self.prepare(&schemas.iter().map(kept).collect::<Vec<_>>()).await
    }

    /// Deletes the entity of the expected version and returns the tombstone's.
    ///
    /// # Errors
    /// `NotFound` when there is no live entity, `Conflict` when it has
    /// another version.
    async fn delete_version(&self, key: Key, expected: Version) -> Result<Version> {
        let write = Write::delete(key, Precondition::Version(expected));
        let written = only(self.commit(vec![write]).await?)?;
        written.version().ok_or_else(|| unexpected("delete", written))
    }

    /// Deletes the entity if it is there, and returns the tombstone's version
    /// if it was.
    async fn delete(&self, key: Key) -> Result<Option<Version>> {
        let write = Write::delete(key, Precondition::Any);
        Ok(only(self.commit(vec![write]).await?)?.version())
    }

    /// Every entity of a query, page after page; with a limit at most that
    /// many.
    fn stream<'a>(
        &'a self,
        collection: &'a CollectionName,
        query: Query,
    ) -> BoxStream<'a, Result<Entity>> {
        let pages = stream::unfold(Some(query), move |query| async move {
            let query = query?;
            match self.query(collection, &query).await {
                Ok(page) => {
                    let more = page.next.filter(|_| !query.has_limit());
                    let next = more.map(|cursor| query.after(cursor));
                    Some((page.entities.into_iter().map(Ok).collect(), next))
                }
                Err(error) => Some((vec![Err(error)], None)),
            }
        });
        pages.map(stream::iter).flatten().boxed()
    }
}

impl<S: StorageStrategy + ?Sized> StorageStrategyExt for S {}

/// Whether a collection holds any record, a tombstone too.
async fn holds_records<S: StorageStrategy + ?Sized>(
    store: &S,
    collection: &CollectionName,
) -> Result<bool> {
    let consistency = Consistency::Strong;
    let options =
        ScanOptions::default().with_batch_size(NonZeroUsize::MIN).with_consistency(consistency);
    let mut scan = as_stored(store.scan(collection, options)).await?;
    Ok(scan.next().await.transpose()?.is_some())
}

fn only(written: Vec<Written>) -> Result<Written> {
    written.into_iter().next().ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "commit", "the store answered for fewer writes than asked")
    })
}

fn unexpected(operation: &'static str, written: Written) -> Error {
    let answer = match written {
        Written::Put { .. } => "written",
        Written::Deleted { .. } => "deleted",
        Written::Unchanged => "nothing changed",
    };
    Error::new(ErrorKind::Corrupt, operation, "the store answered something else than asked")
        .with("answer", answer)
}
