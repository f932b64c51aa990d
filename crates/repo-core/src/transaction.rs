//! Transactions: reads tracked, writes buffered, one conditional commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder as _;

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
    /// hold is not made true by another run, so [`transaction`] returns its `Conflict` at once.
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
        let only_read = required.is_empty();
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

    /// Asks [`transaction`] to run the whole body once more, after a pause, if
    /// this run of it returns an error: for a body that waits for what another
    /// writer is about to change. The attempts of the policy count all runs.
    pub fn try_again(&mut self) {
        self.again = true;
    }

    /// Drops all writes. The same as dropping the transaction.
    pub fn rollback(self) {}

    fn take_writes(&mut self, mut required: Required) -> Result<Vec<Write>> {
        let mut buffered = std::mem::take(&mut self.writes);
        let mut writes = Vec::with_capacity(self.read.len() + buffered.len());
        for (key, entity) in std::mem::take(&mut self.read) {
            required.settle_read(&key, entity.as_ref().map(|entity| entity.version))?;
            let precondition = match &entity {
                Some(entity) => Precondition::Version(entity.version),
                None => Precondition::Absent,
            };
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

/// How [`transaction`] tries again after a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Most attempts, the first included; 1 or more.
    pub max_attempts: usize,
    /// Pause before the second attempt; doubled each time, with jitter.
    pub min_delay: Duration,
    /// Longest pause.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 64,
            min_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(250),
        }
    }
}

/// Runs `body` in a transaction and commits it. When the commit meets a
/// conflict or `Unavailable`, all of it is tried again with capped, jittered
/// back-off; not when what was [required](Transaction::require) does not hold. An
/// error of `body` itself rolls back and is returned, unless it asked for another
/// run with [`Transaction::try_again`].
///
/// In a spawned task `body` is an `async move` closure: one that borrows makes
/// a future that the compiler cannot see to be `Send`.
///
/// ```
/// # use std::sync::Arc;
/// # use repo_core::*;
/// # use repo_core::strategy::*;
/// # async fn run(strategy: Arc<dyn StorageStrategy>) -> Result<()> {
/// let key = Key::new("counters".parse()?, "hits".parse()?);
/// transaction(&strategy, RetryPolicy::default(), async |tx| {
///     let count = match tx.get(&key).await? {
///         Some(document) => document.deserialize::<serde_json::Value>()?["n"].as_u64(),
///         None => None,
///     };
///     let next = serde_json::json!({ "id": "hits", "n": count.unwrap_or(0) + 1 });
///     tx.save(key.clone(), Document::from_serialize(&next)?);
///     Ok(())
/// })
/// .await
/// # }
/// ```
///
/// # Errors
/// The error of `body`; or that of the last commit, when the attempts are used
/// up or it cannot be tried again (`OutcomeUnknown` is not).
pub async fn transaction<T>(
    strategy: &Arc<dyn StorageStrategy>,
    policy: RetryPolicy,
    mut body: impl AsyncFnMut(&mut Transaction) -> Result<T>,
) -> Result<T> {
    let mut attempts = TransactionAttempts::new(policy);
    loop {
        let mut tx = Transaction::begin(Arc::clone(strategy));
        let outcome = body(&mut tx).await;
        if let Some(value) = attempts.end(tx, outcome).await? {
            return Ok(value);
        }
    }
}

/// The runs of one transaction, for callers that run its body themselves, as
/// [`transaction`] does.
#[derive(Debug)]
pub struct TransactionAttempts(backon::ExponentialBackoff);

impl TransactionAttempts {
    /// No run yet.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        let pauses = backon::ExponentialBuilder::default()
            .with_min_delay(policy.min_delay)
            .with_max_delay(policy.max_delay)
            .with_jitter()
            .with_max_times(policy.max_attempts.saturating_sub(1));
        Self(pauses.build())
    }

    /// Ends a run whose body returned `outcome`: commits it, and returns its value.
    /// `None`, after a pause, when all of it has to run again.
    ///
    /// # Errors
    /// As [`transaction`].
    pub async fn end<T>(&mut self, tx: Transaction, outcome: Result<T>) -> Result<Option<T>> {
        let (error, again) = match outcome {
            Err(error) => (error, tx.again),
            Ok(value) => {
                let required = tx.required.clone();
                let Err(error) = tx.commit().await else { return Ok(Some(value)) };
                let again = match error.kind() {
                    ErrorKind::Conflict => !required.has_failed(&error),
                    kind => kind == ErrorKind::Unavailable,
                };
                (error, again)
            }
        };
        match self.0.next() {
            Some(pause) if again => tokio::time::sleep(pause).await,
            _ => return Err(error),
        }
        Ok(None)
    }
}
