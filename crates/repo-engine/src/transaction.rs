//! Transactions over models.

use std::sync::Arc;

use repo_core::strategy::StorageStrategy;
use repo_core::{
    Attribution, Document, EntityId, Error, ErrorKind, FailedPrecondition, Key, Model,
    Precondition, Result, Version,
};

/// A transaction over models of any collections; see
/// [`Store::transaction`](crate::Store::transaction).
///
/// Reads by id see the transaction's own writes, and the commit checks all that
/// was read, also what was absent. Queries are not part of it.
#[derive(Debug)]
pub struct Transaction(repo_core::Transaction);

/// A value as a transaction sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked<M> {
    /// The value.
    pub value: M,
    id: EntityId,
    /// Of what is stored; `None` for what the transaction itself made.
    version: Option<Version>,
}

impl<M> Tracked<M> {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &EntityId {
        &self.id
    }

    /// The version that is stored; `None` for what this transaction created.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// The same with a changed value, for [`Transaction::update`].
    #[must_use]
    pub fn changed(mut self, change: impl FnOnce(&mut M)) -> Self {
        change(&mut self.value);
        self
    }
}

impl Transaction {
    pub(crate) fn begin(strategy: Arc<dyn StorageStrategy>) -> Self {
        Self(repo_core::Transaction::begin(strategy))
    }

    pub(crate) fn into_documents(self) -> repo_core::Transaction {
        self.0
    }

    /// The value of an id.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Invalid` when the id is none or the
    /// document does not fit the type; else what the store reports.
    pub async fn get<M: Model>(&mut self, id: impl AsRef<str>) -> Result<Tracked<M>> {
        let key = key::<M>(id.as_ref())?;
        match self.tracked(&key).await? {
            Some(tracked) => Ok(tracked),
            None => {
                Err(Error::new(ErrorKind::NotFound, "transaction", "no such entity")
                    .with("key", key))
            }
        }
    }

    /// The value of an id, or `None`.
    ///
    /// # Errors
    /// As [`get`](Self::get), except `NotFound`.
    pub async fn find<M: Model>(&mut self, id: impl AsRef<str>) -> Result<Option<Tracked<M>>> {
        self.tracked(&key::<M>(id.as_ref())?).await
    }

    /// The value of an id, or `None`, read for update: if the transaction commits, nobody else
    /// has changed it since, whatever else the transaction does. Nobody waits; see
    /// [`get_locked`](repo_core::Transaction::get_locked).
    ///
    /// # Errors
    /// As [`find`](Self::find); `Conflict` when it was read before and is another one by now.
    pub async fn find_locked<M: Model>(
        &mut self,
        id: impl AsRef<str>,
    ) -> Result<Option<Tracked<M>>> {
        let key = key::<M>(id.as_ref())?;
        self.0.get_locked(&key).await?;
        self.tracked(&key).await
    }

    /// The values of several ids in their order, `None` where there is none, with
    /// one read of the store.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub async fn find_many<M: Model>(
        &mut self,
        ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Vec<Option<Tracked<M>>>> {
        let ids = ids.into_iter();
        let keys: Vec<Key> = ids.map(|id| key::<M>(id.as_ref())).collect::<Result<_>>()?;
        self.0.get_many(&keys).await?;
        let mut found = Vec::with_capacity(keys.len());
        for key in &keys {
            found.push(self.tracked(key).await?);
        }
        Ok(found)
    }

    /// Stores a value whether or not it is there.
    ///
    /// # Errors
    /// `Invalid` when its id is none or it cannot be a document.
    pub fn save<M: Model>(&mut self, value: &M) -> Result<()> {
        self.0.save(key::<M>(value.id())?, Document::from_serialize(value)?);
        Ok(())
    }

    /// Stores a new value.
    ///
    /// # Errors
    /// `AlreadyExists` when this transaction sees one; else as
    /// [`save`](Self::save).
    pub async fn create<M: Model>(&mut self, value: &M) -> Result<()> {
        self.0.create(key::<M>(value.id())?, Document::from_serialize(value)?).await
    }

    /// Stores what this transaction read, [changed](Tracked::changed).
    ///
    /// # Errors
    /// `NotFound` when this transaction has deleted it; `Conflict` when another
    /// transaction, or another run of this one, has read it; else as
    /// [`save`](Self::save).
    pub async fn update<M: Model>(&mut self, tracked: &Tracked<M>) -> Result<()> {
        let key = self.check_seen(tracked).await?;
        self.0.save(key, Document::from_serialize(&tracked.value)?);
        Ok(())
    }

    /// Stores a value over the expected stored version.
    ///
    /// # Errors
    /// `NotFound` when this transaction sees none, `Conflict` when the stored one
    /// has another version; else as [`save`](Self::save).
    pub async fn update_version<M: Model>(&mut self, value: &M, expected: Version) -> Result<()> {
        let key = key::<M>(value.id())?;
        self.0.update(key, Document::from_serialize(value)?, expected).await
    }

    /// Deletes what this transaction read.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn delete<M: Model>(&mut self, tracked: &Tracked<M>) -> Result<()> {
        let key = self.check_seen(tracked).await?;
        self.0.delete(key);
        Ok(())
    }

    /// Deletes the value of an id, if it is there.
    ///
    /// # Errors
    /// `Invalid` when the id is none.
    pub fn delete_by_id<M: Model>(&mut self, id: impl AsRef<str>) -> Result<()> {
        self.0.delete(key::<M>(id.as_ref())?);
        Ok(())
    }

    /// Says who writes all that this transaction writes, and why.
    pub fn attribute_to(&mut self, attribution: Attribution) {
        self.0.attribute_to(attribution);
    }

    /// Asks for another run of the whole body, after a pause, if this run returns
    /// an error: for a body that waits for what another writer is about to change.
    pub fn try_again(&mut self) {
        self.0.try_again();
    }

    /// The same transaction over documents without types.
    pub fn documents(&mut self) -> &mut repo_core::Transaction {
        &mut self.0
    }

    async fn tracked<M: Model>(&mut self, key: &Key) -> Result<Option<Tracked<M>>> {
        let Some(document) = self.0.get(key).await? else { return Ok(None) };
        let value = document.deserialize().map_err(|error| error.with("key", key))?;
        let version = self.0.stored(key).await?.map(|entity| entity.version);
        Ok(Some(Tracked { value, id: key.id.clone(), version }))
    }

    /// The key of a value that this transaction sees, as it sees it.
    async fn check_seen<M: Model>(&mut self, tracked: &Tracked<M>) -> Result<Key> {
        let key = key::<M>(tracked.value.id())?;
        if key.id != tracked.id {
            return Err(Error::new(
                ErrorKind::Invalid,
                "transaction",
                "the id of what was read has changed",
            )
            .with("key", key)
            .with("read", &tracked.id)
            .hint("delete the old one and create the new one"));
        }
        let there = self.0.get(&key).await?.is_some();
        let stored = self.0.stored(&key).await?.map(|entity| entity.version);
        if there && stored == tracked.version {
            return Ok(key);
        }
        let expected = tracked.version.map_or(Precondition::Exists, Precondition::Version);
        let actual = stored.filter(|_| there);
        let failed = FailedPrecondition { key, expected, actual };
        Err(Error::preconditions("transaction", vec![(failed, false)]))
    }
}

fn key<M: Model>(id: &str) -> Result<Key> {
    Ok(Key::new(M::COLLECTION.parse()?, EntityId::new(id)?))
}
