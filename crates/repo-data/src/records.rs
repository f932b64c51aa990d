//! Records of the service in the store: typed reads, and transactions that run again.

use std::collections::BTreeMap;
use std::sync::Arc;

use backon::BackoffBuilder as _;
use repo_core::strategy::{Record, StorageStrategy};
use repo_core::{
    CollectionName, Document, Entity, EntityId, Error, ErrorKind, FailedPrecondition, Key,
    Precondition, Result, RetryPolicy, Transaction, Version, Written,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::collections;
use crate::hooks::Hooks;
use crate::model::{
    BlobRecord, Datapoint, Dataset, Entry, PartRecord, Revision, UploadRecord, UsageRecord,
};

/// A value and the version that it has, for a later write that expects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// Its version: the entity tag of a server.
    pub version: Version,
}

/// What is kept in a collection of the service.
pub(crate) trait Kept: Serialize + DeserializeOwned + Send + Sync {
    const COLLECTION: &'static str;
    /// What it is called in errors: "no such …".
    const NOUN: &'static str;
    fn id(&self) -> String;
}

macro_rules! kept {
    ($($kind:ty, $collection:ident, $noun:literal;)*) => {
        $(impl Kept for $kind {
            const COLLECTION: &'static str = collections::$collection;
            const NOUN: &'static str = $noun;
            fn id(&self) -> String {
                self.id.to_string()
            }
        })*
    };
}

kept! {
    Dataset, DATASETS, "dataset";
    Entry, ENTRIES, "entry";
    Datapoint, DATAPOINTS, "datapoint";
    Revision, REVISIONS, "revision";
    BlobRecord, BLOBS, "blob";
    UploadRecord, UPLOADS, "upload";
    PartRecord, UPLOADS, "part";
    UsageRecord, USAGE, "counter";
}

pub(crate) fn collection<R: Kept>() -> Result<CollectionName> {
    CollectionName::new(R::COLLECTION)
}

pub(crate) fn key<R: Kept>(id: &str) -> Result<Key> {
    Ok(Key::new(collection::<R>()?, EntityId::new(id)?))
}

/// The value of an entity.
pub(crate) fn typed<R: Kept>(entity: &Entity) -> Result<Versioned<R>> {
    let value = entity
        .document
        .deserialize()
        .map_err(|error| error.into_kind(ErrorKind::Corrupt).with("key", entity.key()))?;
    Ok(Versioned { value, version: entity.version })
}

/// What is stored under ids, in their order. Strong.
pub(crate) async fn find_many<R: Kept>(
    store: &dyn StorageStrategy,
    ids: &[EntityId],
) -> Result<Vec<Option<Versioned<R>>>> {
    let records = store.get_many(&collection::<R>()?, ids).await?;
    let live = |record: Option<Record>| record.and_then(Record::into_live);
    records
        .into_iter()
        .map(|record| live(record).map(|entity| typed(&entity)).transpose())
        .collect()
}

pub(crate) fn missing<R: Kept>(id: &str) -> Error {
    let shown: String = id.chars().take(255).collect();
    Error::new(ErrorKind::NotFound, "find", format!("there is no such {}", R::NOUN))
        .with("id", format!("{shown:?}"))
}

/// `Conflict` unless the version is the expected one.
pub(crate) fn expect<R: Kept>(found: &Versioned<R>, expected: Option<Version>) -> Result<()> {
    match expected {
        Some(expected) if expected != found.version => {
            let failed = FailedPrecondition {
                key: key::<R>(&found.value.id())?,
                expected: Precondition::Version(expected),
                actual: Some(found.version),
            };
            Err(Error::preconditions("change", vec![(failed, false)]))
        }
        _ => Ok(()),
    }
}

/// A transaction over the records of the service. Everything read is checked when it commits.
pub(crate) struct Tx(Transaction);

impl Tx {
    pub(crate) fn new(inner: Transaction) -> Self {
        Self(inner)
    }

    pub(crate) async fn find<R: Kept>(&mut self, id: &str) -> Result<Option<Versioned<R>>> {
        let key = key::<R>(id)?;
        let Some(document) = self.0.get(&key).await? else { return Ok(None) };
        let value = document
            .deserialize()
            .map_err(|error| error.into_kind(ErrorKind::Corrupt).with("key", &key))?;
        let version = self.0.stored(&key).await?.map_or(Version::FIRST, |entity| entity.version);
        Ok(Some(Versioned { value, version }))
    }

    pub(crate) async fn get<R: Kept>(&mut self, id: &str) -> Result<Versioned<R>> {
        self.find(id).await?.ok_or_else(|| missing::<R>(id))
    }

    /// Takes an id for free without reading it: the commit finds out.
    pub(crate) fn assume_absent<R: Kept>(&mut self, id: &str) -> Result<()> {
        self.0.assume_absent(&key::<R>(id)?);
        Ok(())
    }

    /// Reads several at once, so that later reads find them.
    pub(crate) async fn read_ahead<R: Kept>(&mut self, ids: &[String]) -> Result<()> {
        let keys: Vec<Key> = ids.iter().map(|id| key::<R>(id)).collect::<Result<_>>()?;
        self.0.get_many(&keys).await.map(|_| ())
    }

    pub(crate) fn put<R: Kept>(&mut self, value: &R) -> Result<()> {
        self.0.save(key::<R>(&value.id())?, Document::from_serialize(value)?);
        Ok(())
    }

    pub(crate) fn delete<R: Kept>(&mut self, id: &str) -> Result<()> {
        self.0.delete(key::<R>(id)?);
        Ok(())
    }
}

/// What a commit wrote.
pub(crate) struct Committed(BTreeMap<Key, Written>);

impl Committed {
    /// The value with the version that it has since the commit, if that wrote it.
    pub(crate) fn versioned<R: Kept>(&self, found: Versioned<R>) -> Result<Versioned<R>> {
        let key = key::<R>(&found.value.id())?;
        let written = self.0.get(&key).and_then(|written| written.version());
        Ok(Versioned { version: written.unwrap_or(found.version), value: found.value })
    }
}

/// The runs of one transaction.
pub(crate) struct Attempts {
    pauses: backon::ExponentialBackoff,
    hooks: Hooks,
}

impl Attempts {
    pub(crate) fn new(policy: RetryPolicy, hooks: Hooks) -> Self {
        let pauses = backon::ExponentialBuilder::default()
            .with_min_delay(policy.min_delay)
            .with_max_delay(policy.max_delay)
            .with_jitter()
            .with_max_times(policy.max_attempts.saturating_sub(1));
        Self { pauses: pauses.build(), hooks }
    }

    /// Commits a run whose body returned `outcome`. `None` when all of it has to run again.
    pub(crate) async fn end<T>(
        &mut self,
        tx: Tx,
        outcome: Result<T>,
    ) -> Result<Option<(T, Committed)>> {
        self.hooks.alive()?;
        let value = outcome?;
        let error = match tx.0.commit().await {
            Ok(written) => return Ok(Some((value, Committed(written)))),
            Err(error) => error,
        };
        let again = matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unavailable);
        match self.pauses.next() {
            Some(pause) if again => tokio::time::sleep(pause).await,
            _ => return Err(error),
        }
        Ok(None)
    }
}

/// Begins a transaction on a store.
pub(crate) fn begin(store: &Arc<dyn StorageStrategy>) -> Tx {
    Tx::new(Transaction::begin(Arc::clone(store)))
}

impl Tx {
    pub(crate) fn attribute_to(&mut self, attribution: repo_core::Attribution) {
        self.0.attribute_to(attribution);
    }
}

/// Runs a body, which may run several times, in a transaction of a service. A loop and no
/// closure: futures of borrowing closures cannot be spawned.
macro_rules! transact {
    ($service:expr, |$tx:ident| $body:expr) => {{
        let mut attempts = $service.attempts();
        loop {
            let mut $tx = $service.begin();
            let outcome = $body.await;
            match attempts.end($tx, outcome).await {
                Ok(Some(done)) => break Ok(done),
                Ok(None) => {}
                Err(error) => break Err(error),
            }
        }
    }};
}
pub(crate) use transact;
