//! Transactions: reads tracked, writes buffered, one conditional commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::required::Required;
use crate::strategy::{Record, StorageStrategy, StorageStrategyExt as _, strong_reads};
use crate::{
    Attribution, Change, CollectionName, Document, Entity, EntityId, Error, ErrorKind, Key,
    Precondition, Result, Version, Write, Written,
};

/// A transaction over the keys of one store, of any collections.
///
/// Reads by key see the transaction's own writes, and the commit checks the
/// version of everything read, also of what was absent. So transactions are
/// serializable over keys. Queries are not tracked: a query made beside a
/// transaction reads committed state, and phantoms are not prevented.
///
/// Dropping a transaction rolls it back.
#[derive(Debug)]
pub struct Transaction {
    strategy: Arc<dyn StorageStrategy>,
    read: BTreeMap<Key, Option<Entity>>,
    writes: BTreeMap<Key, Buffered>,
    required: Required,
    locks: bool,
    again: bool,
    attribution: Option<Arc<Attribution>>,
}

/// A buffered write; without a document it deletes.
#[derive(Debug)]
struct Buffered {
    document: Option<Document>,
}

impl Transaction {
    /// Begins a transaction.
    #[must_use]
    pub fn begin(strategy: Arc<dyn StorageStrategy>) -> Self {
        Self {
            strategy,
            read: BTreeMap::new(),
            writes: BTreeMap::new(),
            required: Required::default(),
            locks: false,
            again: false,
            attribution: None,
        }
    }

    /// The document under a key as this transaction sees it.
    ///
    /// # Errors
    /// Those of [`StorageStrategy::get_many`].
    pub async fn get(&mut self, key: &Key) -> Result<Option<Document>> {
        if let Some(buffered) = self.writes.get(key) {
            return Ok(buffered.document.clone());
        }
        Ok(self.stored(key).await?.map(|entity| entity.document.clone()))
    }

    /// The stored entity under a key, read once and remembered; without this
    /// transaction's own writes.
    ///
    /// # Errors
    /// Those of [`StorageStrategy::get_many`].
    pub async fn stored(&mut self, key: &Key) -> Result<Option<&Entity>> {
        if !self.read.contains_key(key) {
            let entity = self.strategy.get(&key.collection, &key.id).await?;
            self.read.insert(key.clone(), entity);
        }
        Ok(self.read.get(key).and_then(Option::as_ref))
    }

    /// The documents under several keys as this transaction sees them, in their
    /// order. What was not read before is read at once, with one read a
    /// collection.
    ///
    /// # Errors
    /// Those of [`StorageStrategy::get_many`].
    pub async fn get_many(&mut self, keys: &[Key]) -> Result<Vec<Option<Document>>> {
        self.read_missing(keys).await?;
        let seen = |key: &Key| match self.writes.get(key) {
            Some(buffered) => buffered.document.clone(),
            None => {
                let entity = self.read.get(key).and_then(Option::as_ref);
                entity.map(|entity| entity.document.clone())
            }
        };
        Ok(keys.iter().map(seen).collect())
    }

    /// Reads those of `keys` that were neither read nor written.
    async fn read_missing(&mut self, keys: &[Key]) -> Result<()> {
        let mut missing: BTreeMap<&CollectionName, BTreeSet<&EntityId>> = BTreeMap::new();
        for key in keys {
            if !self.read.contains_key(key) && !self.writes.contains_key(key) {
                missing.entry(&key.collection).or_default().insert(&key.id);
            }
        }
        for (collection, ids) in missing {
            let ids: Vec<EntityId> = ids.into_iter().cloned().collect();
            let records = self.strategy.get_many(collection, &ids).await?;
            for (id, record) in ids.into_iter().zip(records) {
                let entity = record.and_then(Record::into_live);
                self.read.insert(Key::new(collection.clone(), id), entity);
            }
        }
        Ok(())
    }

    /// The document under a key as this transaction sees it, read for update: what
    /// `SELECT … FOR UPDATE` is for. If the transaction commits, nobody else has changed the
    /// entity since it was read here, also if nothing else was read and nothing is written;
    /// else the commit is a `Conflict`. That holds on every store, against all who write, and
    /// of what is absent too. Nobody waits: others may write the entity meanwhile, and then it
    /// is this transaction that runs again. The guide on leases compares it with a lock that
    /// others wait for.
    ///
    /// The read is strong, whatever [`with_consistency`](crate::strategy::with_consistency)
    /// says and a layer keeps.
    ///
    /// # Errors
    /// `Conflict` when this transaction read the key before and it is another one by now;
    /// [`transaction`](crate::transaction) tries that again. Those of
    /// [`StorageStrategy::get_many`].
    pub async fn get_locked(&mut self, key: &Key) -> Result<Option<Document>> {
        let found = strong_reads(self.strategy.get(&key.collection, &key.id)).await?;
        self.locks = true;
        if let Some(before) = self.read.get(key) {
            let actual = found.as_ref().map(|entity| entity.version);
            let expected = as_read(before.as_ref());
            if !expected.holds(actual) {
                self.again = true;
                let failed = crate::FailedPrecondition { key: key.clone(), expected, actual };
                return Err(Error::preconditions("transaction", vec![(failed, true)]));
            }
        }
        self.read.insert(key.clone(), found);
        self.get(key).await
    }

    /// Takes a key that was neither read nor written for absent, without reading it. The commit
    /// checks that, as if it had been read: where something is there it is a `Conflict`. It
    /// spares a read where that is rare, as for new ids; a run after a conflict should read.
    pub fn assume_absent(&mut self, key: &Key) {
        if !self.read.contains_key(key) && !self.writes.contains_key(key) {
            self.read.insert(key.clone(), None);
        }
    }

    /// Has the commit check a condition that was known before, of a key that need not be read:
    /// the version of a record that protects others. Unlike what was read, one that does not
    /// hold is not made true by another run, so [`transaction`](crate::transaction) returns its
    /// `Conflict` at once.
    ///
    /// # Errors
    /// `Invalid` when the key was given another condition before.
    pub fn require(&mut self, key: Key, condition: Precondition) -> Result<()> {
        self.required.add(key, condition)
    }

    /// Says who writes all that this transaction writes, and why.
    pub fn attribute_to(&mut self, attribution: Attribution) {
        self.attribution = Some(Arc::new(attribution));
    }

    /// Stores a document whether or not the entity is there.
    pub fn save(&mut self, key: Key, document: Document) {
        self.writes.insert(key, Buffered { document: Some(document) });
    }

    /// Stores a new entity.
    ///
    /// # Errors
    /// `AlreadyExists` when this transaction sees one.
    pub async fn create(&mut self, key: Key, document: Document) -> Result<()> {
        if strong_reads(self.get(&key)).await?.is_some() {
            return Err(self.refuse(&key, Precondition::Absent));
        }
        self.save(key, document);
        Ok(())
    }

    /// Stores a document over the expected stored version.
    ///
    /// # Errors
    /// `NotFound` when this transaction sees no entity, `Conflict` when the
    /// stored one has another version.
    pub async fn update(&mut self, key: Key, document: Document, expected: Version) -> Result<()> {
        self.expect(&key, expected).await?;
        self.save(key, document);
        Ok(())
    }

    /// Deletes an entity if it is there.
    pub fn delete(&mut self, key: Key) {
        self.writes.insert(key, Buffered { document: None });
    }

    /// Deletes the entity of the expected stored version.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn delete_version(&mut self, key: Key, expected: Version) -> Result<()> {
        self.expect(&key, expected).await?;
        self.delete(key);
        Ok(())
    }

    /// What is refused here no commit checks, so a read that is made for it is strong.
    async fn expect(&mut self, key: &Key, expected: Version) -> Result<()> {
        let gone = strong_reads(self.get(key)).await?.is_none();
        let stored = strong_reads(self.stored(key)).await?.map(|entity| entity.version);
        if gone || stored != Some(expected) {
            return Err(self.refuse(key, Precondition::Version(expected)));
        }
        Ok(())
    }

    fn refuse(&self, key: &Key, expected: Precondition) -> Error {
        let deleted_here = self.writes.get(key).is_some_and(|buffered| buffered.document.is_none());
        let stored = self.read.get(key).and_then(Option::as_ref).map(|entity| entity.version);
        let actual = if deleted_here { None } else { stored };
        let failure = crate::FailedPrecondition { key: key.clone(), expected, actual };
        Error::preconditions("transaction", vec![(failure, false)])
    }

    /// Commits all writes, if everything read is unchanged and what was
    /// [required](Self::require) holds. The answers stand by key.
    ///
    /// # Errors
    /// `Conflict` when something read has changed, or something required does not hold:
    /// nothing was written, and after a change of what was read the whole transaction may
    /// be tried again. Else those of [`StorageStrategy::commit`].
    pub async fn commit(mut self) -> Result<BTreeMap<Key, Written>> {
        let required = std::mem::take(&mut self.required);
        let only_read = required.is_empty() && !self.locks;
        let writes = self.take_writes(required)?;
        let checks_alone = writes.iter().all(|write| write.change == Change::Check);
        if only_read && checks_alone && writes.len() <= 1 {
            // One read, or nothing at all: it was consistent when it was made.
            return Ok(BTreeMap::new());
        }
        let keys: Vec<Key> = writes.iter().map(|write| write.key.clone()).collect();
        let attributed = |write: Write| write.attributed_to(self.attribution.clone());
        let writes = writes.into_iter().map(attributed).collect();
        let written = self.strategy.commit(writes).await.map_err(as_conflict)?;
        Ok(keys.into_iter().zip(written).collect())
    }

    /// Asks [`transaction`](crate::transaction) to run the whole body once more, after a
    /// pause, if this run of it returns an error: for a body that waits for what another
    /// writer is about to change. The attempts of the policy count all runs.
    pub fn try_again(&mut self) {
        self.again = true;
    }

    pub(crate) fn wants_another_run(&self) -> bool {
        self.again
    }

    pub(crate) fn required(&self) -> &Required {
        &self.required
    }

    /// Drops all writes. The same as dropping the transaction.
    pub fn rollback(self) {}

    fn take_writes(&mut self, mut required: Required) -> Result<Vec<Write>> {
        let mut buffered = std::mem::take(&mut self.writes);
        let mut writes = Vec::with_capacity(self.read.len() + buffered.len());
        for (key, entity) in std::mem::take(&mut self.read) {
            required.settle_read(&key, entity.as_ref().map(|entity| entity.version))?;
            let precondition = as_read(entity.as_ref());
            writes.push(match buffered.remove(&key) {
                Some(Buffered { document: Some(document) }) => {
                    Write::put(key, document, precondition)
                }
                Some(Buffered { document: None }) if entity.is_some() => {
                    Write::delete(key, precondition)
                }
                _ => Write::check(key, precondition),
            });
        }
        for (key, Buffered { document }) in buffered {
            let precondition = required.take(&key).unwrap_or(Precondition::Any);
            writes.push(match document {
                Some(document) => Write::put(key, document, precondition),
                None => Write::delete(key, precondition),
            });
        }
        writes.extend(required.into_rest().map(|(key, condition)| Write::check(key, condition)));
        Ok(writes)
    }
}

/// That something is still as it was read.
fn as_read(entity: Option<&Entity>) -> Precondition {
    entity.map_or(Precondition::Absent, |entity| Precondition::Version(entity.version))
}

/// Whatever precondition failed at commit, it was on something read before.
fn as_conflict(error: Error) -> Error {
    match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotFound
            if !error.failed_preconditions().is_empty() =>
        {
            error.into_kind(ErrorKind::Conflict)
        }
        _ => error,
    }
}
