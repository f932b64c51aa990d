//! Transactions: a context manager, and runs that are repeated after a conflict.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use repo_core::strategy::StorageStrategy;
use repo_core::{
    Attribution, Document, Error, ErrorKind, FailedPrecondition, Key, Precondition, Result,
    RetryPolicy, TransactionAttempts, Written,
};
use tokio::sync::Mutex;

use crate::arguments::{collection, ids, key, precondition};
use crate::entity::Entity;
use crate::errors::checked;
use crate::process::OfProcess;
use crate::text::document;
use crate::wait::wait;

/// A transaction over any keys of a store. Reads by id see its own writes, and the
/// commit checks all that was read, also what was absent. Queries are not part of it.
///
/// As a context manager it commits at the end of the block, and rolls back after an
/// exception. Made by `Store.transaction`.
#[pyclass(frozen, module = "repo_engine")]
pub(crate) struct Transaction(OfProcess<Open>);

/// `None` once it has ended.
type Open = Mutex<Option<Begun>>;

struct Begun {
    inner: repo_core::Transaction,
    /// What it wrote itself: has no version yet.
    written: BTreeSet<Key>,
}

impl Transaction {
    pub(crate) fn begin(
        strategy: Arc<dyn StorageStrategy>,
        attribution: Option<&Arc<Attribution>>,
    ) -> Self {
        let mut inner = repo_core::Transaction::begin(strategy);
        if let Some(by) = attribution {
            inner.attribute_to(by.as_ref().clone());
        }
        Self(OfProcess::new(Mutex::new(Some(Begun { inner, written: BTreeSet::new() }))))
    }

    fn open(&self, py: Python<'_>) -> PyResult<&Open> {
        checked(py, self.0.get())
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Closed, "transaction", "the transaction has ended")
        .hint("begin a new one: Store.transaction()")
}

impl Begun {
    /// What the transaction sees under a key.
    async fn seen(&mut self, key: Key) -> Result<Option<Entity>> {
        if self.written.contains(&key) {
            let document = self.inner.get(&key).await?;
            return Ok(document.map(|document| Entity::unstored(key, document)));
        }
        Ok(self.inner.stored(&key).await?.cloned().map(Entity::from))
    }

    async fn put(&mut self, key: Key, document: Document, expect: Precondition) -> Result<()> {
        let written = key.clone();
        match expect {
            Precondition::Any => self.inner.save(key, document),
            Precondition::Absent => self.inner.create(key, document).await?,
            Precondition::Version(version) => self.inner.update(key, document, version).await?,
            Precondition::Exists => {
                self.must_exist(&key).await?;
                self.inner.save(key, document);
            }
        }
        self.written.insert(written);
        Ok(())
    }

    async fn delete(&mut self, key: Key, expect: Precondition) -> Result<()> {
        let written = key.clone();
        match expect {
            Precondition::Any => self.inner.delete(key),
            Precondition::Version(version) => self.inner.delete_version(key, version).await?,
            Precondition::Exists => {
                self.must_exist(&key).await?;
                self.inner.delete(key);
            }
            Precondition::Absent => {
                let why = "what is deleted cannot be expected to be absent";
                return Err(Error::new(ErrorKind::Invalid, "transaction", why).with("key", key));
            }
        }
        self.written.insert(written);
        Ok(())
    }

    async fn must_exist(&mut self, key: &Key) -> Result<()> {
        if self.inner.get(key).await?.is_some() {
            return Ok(());
        }
        let failed =
            FailedPrecondition { key: key.clone(), expected: Precondition::Exists, actual: None };
        Err(Error::preconditions("transaction", vec![(failed, false)]))
    }
}

async fn get(open: &Open, key: Key) -> Result<Option<Entity>> {
    open.lock().await.as_mut().ok_or_else(ended)?.seen(key).await
}

async fn get_many(open: &Open, keys: Vec<Key>) -> Result<Vec<Option<Entity>>> {
    let mut open = open.lock().await;
    let begun = open.as_mut().ok_or_else(ended)?;
    // One read for all of them; what follows is known then.
    begun.inner.get_many(&keys).await?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        found.push(begun.seen(key).await?);
    }
    Ok(found)
}

async fn put(open: &Open, key: Key, document: Document, expect: Precondition) -> Result<()> {
    open.lock().await.as_mut().ok_or_else(ended)?.put(key, document, expect).await
}

async fn delete(open: &Open, key: Key, expect: Precondition) -> Result<()> {
    open.lock().await.as_mut().ok_or_else(ended)?.delete(key, expect).await
}

async fn commit(open: &Open) -> Result<BTreeMap<Key, Written>> {
    let begun = open.lock().await.take().ok_or_else(ended)?;
    begun.inner.commit().await
}

async fn roll_back(open: &Open) -> Result<()> {
    drop(open.lock().await.take());
    Ok(())
}

#[pymethods]
impl Transaction {
    /// The entity of an id as this transaction sees it, or None. What is read is
    /// checked when it commits.
    fn get(&self, py: Python<'_>, collection: &str, id: &str) -> PyResult<Option<Entity>> {
        let (open, key) = (self.open(py)?, key(py, collection, id)?);
        wait(py, || get(open, key))
    }

    /// The entities of several ids in their order, None where there is none, with one
    /// read of the store.
    fn get_many(
        &self,
        py: Python<'_>,
        collection: &str,
        ids: Vec<String>,
    ) -> PyResult<Vec<Option<Entity>>> {
        let (open, name) = (self.open(py)?, self::collection(py, collection)?);
        let ids = self::ids(py, ids)?;
        let keys: Vec<Key> = ids.into_iter().map(|id| Key::new(name.clone(), id)).collect();
        wait(py, || get_many(open, keys))
    }

    /// Stores a document when the transaction commits. `expect` says what this
    /// transaction has to see now: "any", "absent", "exists", or a stored version.
    #[pyo3(signature = (collection, id, document, *, expect=None))]
    fn put(
        &self,
        py: Python<'_>,
        collection: &str,
        id: &str,
        document: &Bound<'_, PyAny>,
        expect: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (open, key) = (self.open(py)?, key(py, collection, id)?);
        let (document, expect) = (self::document(document)?, precondition(py, expect)?);
        wait(py, || put(open, key, document, expect))
    }

    /// Deletes an entity when the transaction commits. `expect` as for `put`.
    #[pyo3(signature = (collection, id, *, expect=None))]
    fn delete(
        &self,
        py: Python<'_>,
        collection: &str,
        id: &str,
        expect: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (open, key) = (self.open(py)?, key(py, collection, id)?);
        let expect = precondition(py, expect)?;
        wait(py, || delete(open, key, expect))
    }

    /// Writes everything, if all that was read is unchanged, and ends the transaction.
    /// Returns the new version of each key that was written, as {(collection, id):
    /// version}. A conflict is a ConflictError, and nothing was written.
    fn commit(&self, py: Python<'_>) -> PyResult<BTreeMap<(String, String), u64>> {
        let open = self.open(py)?;
        let written = wait(py, || commit(open))?;
        let versions = written.into_iter().filter_map(|(key, written)| {
            let version = written.version()?.get();
            Some(((key.collection.to_string(), key.id.to_string()), version))
        });
        Ok(versions.collect())
    }

    /// Drops all writes and ends the transaction.
    fn rollback(&self, py: Python<'_>) -> PyResult<()> {
        let open = self.open(py)?;
        wait(py, || roll_back(open))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, py: Python<'_>, raised: &Bound<'_, PyTuple>) -> PyResult<bool> {
        let open = self.open(py)?;
        // The block may have ended it itself.
        if open.try_lock().is_ok_and(|open| open.is_none()) {
            return Ok(false);
        }
        if raised.get_item(0).is_ok_and(|kind| !kind.is_none()) {
            self.rollback(py)?;
        } else {
            self.commit(py)?;
        }
        Ok(false)
    }
}

/// Runs `body` in a transaction and commits it, all of it again after a conflict.
pub(crate) fn run(
    py: Python<'_>,
    strategy: &Arc<dyn StorageStrategy>,
    attribution: Option<&Arc<Attribution>>,
    body: &Bound<'_, PyAny>,
    policy: RetryPolicy,
) -> PyResult<Py<PyAny>> {
    let mut attempts = TransactionAttempts::new(policy);
    loop {
        let begun = Py::new(py, Transaction::begin(Arc::clone(strategy), attribution))?;
        let value = match body.call1((begun.clone_ref(py),)) {
            Ok(value) => value.unbind(),
            Err(raised) => {
                begun.get().rollback(py)?;
                return Err(raised);
            }
        };
        let open = begun.get().open(py)?;
        let again = &mut attempts;
        if wait(py, move || end(again, open))? {
            return Ok(value);
        }
    }
}

/// Commits; whether that succeeded, or has to be tried again.
async fn end(attempts: &mut TransactionAttempts, open: &Open) -> Result<bool> {
    let begun = open.lock().await.take().ok_or_else(ended)?;
    Ok(attempts.end(begun.inner, Ok(())).await?.is_some())
}

/// How a run is repeated, at most so often.
pub(crate) fn policy(max_attempts: usize) -> RetryPolicy {
    RetryPolicy {
        max_attempts: max_attempts.max(1),
        min_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(250),
    }
}
